"""Read a dataset: captions with the videos and sounds that they describe. Knows files and columns; opens no media.

The columns are those of Lightricks' ltx-trainer: `caption`, `video`, and `audio` where the sound is a file of its own.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

TABLES = ("dataset.csv", "dataset.json", "dataset.jsonl", "metadata.csv", "metadata.json", "metadata.jsonl")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
COLUMNS = ("caption", "video", "audio")
UNUSED_COLUMNS = ("reference_video", "reference_audio", "video_mask", "audio_mask")
MAX_TABLE_BYTES = 64_000_000


@dataclass(frozen=True)
class Example:
    """One clip to learn from. audio: a sound file in place of the video's own sound; None takes that.

    references: what a control LoRA is to follow to make the clip, videos or pictures.
    """

    caption: str
    video: Path
    audio: Path | None = None
    references: tuple[Path, ...] = ()


def read_dataset(path: str | os.PathLike[str], reference: str | Sequence[str] | None = None) -> list[Example]:
    """Return the examples of a table, or of a folder.

    path: a CSV, JSON (a list of objects) or JSONL file with the columns `caption`, `video` and, if wanted, `audio`,
        their paths relative to it; or a folder that holds such a table as dataset.* or metadata.*, or videos each
        with a caption in a .txt file of the same name.
    reference: the column that names what each clip is made after, for a control LoRA, or several, each for one of
        its references, in their order.

    Raises FileNotFoundError for a path or a file that is not there, ValueError for rows that cannot be used, each
    with its number.
    """
    path, columns = Path(path), reference_columns(reference)
    if path.is_dir():
        table = next((path / name for name in TABLES if (path / name).is_file()), None)
        if table is None and columns:
            raise ValueError(
                f"{path} has no table ({', '.join(TABLES)}), whose column {columns[0]!r} names the references"
            )
        examples = _captioned_videos(path) if table is None else _read_table(table, columns)
    elif path.is_file():
        examples = _read_table(path, columns)
    else:
        raise FileNotFoundError(f"no dataset at {path}; give a folder, or a .csv, .json or .jsonl file")
    for number, example in enumerate(examples, start=1):
        for file in (example.video, example.audio, *example.references):
            if file is not None and not file.is_file():
                raise FileNotFoundError(f"{path}, clip {number}: no file {file}; paths are relative to the table")
    return examples


def reference_columns(reference: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns of references, none for None. Raises ValueError for one that is named twice."""
    columns = () if reference is None else (reference,) if isinstance(reference, str) else tuple(reference)
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise ValueError(f"reference names the column {twice[0]!r} twice; each reference has a column of its own")
    return columns


def _captioned_videos(folder: Path) -> list[Example]:
    videos = sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
    if not videos:
        raise ValueError(
            f"{folder} has no table ({', '.join(TABLES)}) and no videos ({', '.join(VIDEO_SUFFIXES)}); put clips with "
            "a caption each into it: ball.mp4 and ball.txt"
        )
    bare = [video.name for video in videos if not video.with_suffix(".txt").is_file()]
    if bare:
        raise ValueError(
            f"{len(bare)} of {len(videos)} videos in {folder} have no caption: {', '.join(bare[:3])}; nearest: write "
            f"it into {Path(bare[0]).with_suffix('.txt')}"
        )
    captions = [_read_text(video.with_suffix(".txt")).strip() for video in videos]
    rows = [{"caption": text, "video": video.name} for text, video in zip(captions, videos, strict=True)]
    return [_example(row, row["video"], folder, ()) for row in rows]


def _read_table(path: Path, references: Sequence[str]) -> list[Example]:
    if path.stat().st_size > MAX_TABLE_BYTES:
        size = path.stat().st_size
        raise ValueError(f"{path} has {size:,} bytes; a table of captions has {MAX_TABLE_BYTES:,} at most")
    readers = {".csv": _csv_rows, ".json": _json_rows, ".jsonl": _jsonl_rows}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path.name} is no table of clips; give a folder, or a .csv, .json or .jsonl file")
    rows = readers[path.suffix.lower()](path)
    if not rows:
        raise ValueError(f"{path} has no rows; one row a clip, with the columns caption and video")
    where = f"{path.name}, row "
    return [_example(row, f"{where}{number}", path.parent, references) for number, row in enumerate(rows, start=1)]


def _csv_rows(path: Path) -> list[Any]:
    return list(csv.DictReader(io.StringIO(_read_text(path), newline="")))


def _json_rows(path: Path) -> list[Any]:
    rows = _parsed(_read_text(path), path.name)
    if not isinstance(rows, list):
        raise ValueError(f"{path} holds a {type(rows).__name__}; a list of objects is needed, one a clip")
    return rows


def _jsonl_rows(path: Path) -> list[Any]:
    lines = _read_text(path).splitlines()
    return [_parsed(line, f"{path.name}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8 (its byte {error.start} is none); save it in that encoding") from None


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON: {error}") from None


def _example(row: Any, where: str, folder: Path, references: Sequence[str]) -> Example:
    if not isinstance(row, Mapping):
        raise ValueError(f"{where} is a {type(row).__name__}; an object with caption and video is needed")
    unused = [name for name in UNUSED_COLUMNS if row.get(name) and name not in references]
    if unused:
        references = [name for name in unused if name.startswith("reference_")]
        hint = f"train_lora(..., reference={references[0]!r})" if unused == references[:1] else "leave it out"
        if len(references) > 1 and unused == references:
            hint = f"train_lora(..., reference={references})"
        raise ValueError(f"{where} has {', '.join(unused)}, which is not learned from here; nearest: {hint}")
    values = {}
    for name in COLUMNS:
        value = row.get(name)
        if name == "audio" and value in (None, ""):
            continue
        if not isinstance(value, str) or not value.strip():
            others = "" if name in row else f"; its columns: {', '.join(map(str, row))}"
            raise ValueError(f"{where} has no {name}; every clip needs a caption and a video{others}")
        values[name] = value.strip()
    audio = folder / values["audio"] if "audio" in values else None
    example = Example(values["caption"], folder / values["video"], audio)
    for column in references:
        named = row.get(column)
        if not isinstance(named, str) or not named.strip():
            raise ValueError(f"{where} has no {column}; every clip needs the video or picture that it is made after")
        example = replace(example, references=(*example.references, folder / named.strip()))
    return example
