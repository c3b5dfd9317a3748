"""Files are written whole or not at all."""

import os

import pytest

from ltx_nb.whole_files import whole_file, whole_folder


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as unfinished:
        unfinished.write_text("whole")
        assert unfinished.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_interruption_leaves_the_old_file(interruption, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(interruption), whole_file(path) as unfinished:
        unfinished.write_text("ha")
        raise interruption
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    with whole_file(tmp_path / "a.txt") as unfinished:
        unfinished.touch()
    assert os.stat(tmp_path / "a.txt").st_mode == os.stat(tmp_path / "usual").st_mode


def test_a_folder_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "folder"
    with whole_folder(path) as unfinished:
        (unfinished / "a.txt").write_text("whole")
        assert not path.exists()
    assert (path / "a.txt").read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_interrupted_folder_leaves_nothing(tmp_path, interruption):
    with pytest.raises(interruption), whole_folder(tmp_path / "folder") as unfinished:
        (unfinished / "a.txt").write_text("ha")
        raise interruption
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old.txt").touch()
    with pytest.raises(FileExistsError, match="folder is there already"), whole_folder(tmp_path / "folder"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "old.txt"]
