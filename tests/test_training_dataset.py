"""Datasets are read as ltx-trainer's are, and rows that cannot be used are refused with their number."""

import json

import pytest

from ltx_nb.training import Example, read_dataset


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mp4", "b.mp4", "a.wav"):
        (tmp_path / name).write_bytes(b"media")
    return tmp_path


ROWS = [{"caption": "A ball.", "video": "a.mp4", "audio": "a.wav"}, {"caption": "A square.", "video": "b.mp4"}]


def test_a_csv_a_json_and_a_jsonl_are_the_same_dataset(folder):
    (folder / "clips.csv").write_text("caption,video,audio\nA ball.,a.mp4,a.wav\nA square.,b.mp4,\n")
    (folder / "clips.json").write_text(json.dumps(ROWS))
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\n")
    wanted = [Example("A ball.", folder / "a.mp4", folder / "a.wav"), Example("A square.", folder / "b.mp4")]
    for name in ("clips.csv", "clips.json", "clips.jsonl"):
        assert read_dataset(folder / name) == wanted


def test_a_folder_is_its_table_or_its_captioned_videos(folder):
    for name, caption in (("a", "A ball."), ("b", "A square.")):
        (folder / f"{name}.txt").write_text(caption + "\n")
    by_name = [Example("A ball.", folder / "a.mp4"), Example("A square.", folder / "b.mp4")]
    assert read_dataset(folder) == by_name
    (folder / "dataset.json").write_text(json.dumps(ROWS[:1]))
    assert read_dataset(folder) == [Example("A ball.", folder / "a.mp4", folder / "a.wav")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[{"video": "a.mp4"}]', "row 1 has no caption"),
        ('[{"caption": "A ball.", "video": "a.mp4"}, {"caption": " ", "video": "a.mp4"}]', "row 2 has no caption"),
        ('[{"caption": "A ball."}]', "row 1 has no video"),
        ('[{"caption": "A ball.", "video": 3}]', "row 1 has no video"),
        ('["a.mp4"]', "row 1 is a str"),
        ('{"caption": "A ball."}', "holds a dict; a list of objects"),
        ("[]", "has no rows"),
        ("[", "is not JSON"),
        ('[{"caption": "A ball.", "video": "a.mp4", "reference_video": "b.mp4"}]', "row 1 has reference_video"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(folder, text, error):
    (folder / "clips.json").write_text(text)
    with pytest.raises(ValueError, match=error):
        read_dataset(folder / "clips.json")


def test_text_in_another_encoding_is_named(folder):
    table = folder / "latin.csv"
    table.write_bytes("caption,video\nA b\xe9ll.,a.mp4\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin.csv is not in UTF-8 \(its byte 17 is none\)"):
        read_dataset(table)


def test_a_table_of_other_columns_says_which_it_has(folder):
    (folder / "t.csv").write_text("text,file\nA ball.,a.mp4\n")
    with pytest.raises(ValueError, match=r"row 1 has no caption; .*; its columns: text, file"):
        read_dataset(folder / "t.csv")


def test_a_file_that_is_not_there_is_named(folder):
    (folder / "clips.json").write_text('[{"caption": "A ball.", "video": "c.mp4"}]')
    with pytest.raises(FileNotFoundError, match=r"clip 1: no file .*c\.mp4"):
        read_dataset(folder / "clips.json")
    with pytest.raises(FileNotFoundError, match="no dataset at"):
        read_dataset(folder / "nothing")


def test_videos_without_captions_are_counted(folder):
    (folder / "a.txt").write_text("A ball.")
    with pytest.raises(ValueError, match=r"1 of 2 videos in .* have no caption: b\.mp4"):
        read_dataset(folder)
