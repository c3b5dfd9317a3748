"""Files of hub repositories: what is missing here, what it costs and under which licence, and the download itself.

huggingface_hub does the work: it resumes, shows progress, verifies, and keeps the files in its cache. Knows
repositories and file names; not what is in the files. A token is never read here, only used by huggingface_hub.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from tqdm.auto import tqdm

from ltx_nb.planning.machine import GB, free_disk_gb

LICENCES = "LTX-2 Community License (weights), Gemma Terms of Use (text encoder)"


@dataclass(frozen=True)
class Files:
    """patterns: of the names wanted of a repository, as in `snapshot_download`."""

    repository: str
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Download:
    """Missing files of a repository. num_bytes: their size; license: as its card says it, or "not stated"."""

    files: Files
    num_files: int
    num_bytes: int
    license: str
    is_gated: bool

    def text(self) -> str:
        gate = "; gated: its terms have to be accepted on its page first" if self.is_gated else ""
        return (
            f"{self.files.repository}: {self.num_files} files, {self.num_bytes / GB:.1f} GB, "
            f"licence: {self.license} (https://huggingface.co/{self.files.repository}){gate}"
        )


def missing_downloads(wanted: Sequence[Files]) -> list[Download]:
    """Return what has to be downloaded before all of `wanted` is here; asks the hub only about what is missing.

    Raises as `fetch`, but for the disk.
    """
    return [_asked(files) for files in wanted if local_snapshot(files) is None]


def fetch(wanted: Sequence[Files]) -> list[Path]:
    """The folder of each repository, with the files wanted; those that are missing are downloaded, with a bar.

    Before that, licence, size and free disk are printed to stderr. What was interrupted is resumed.

    Raises FileNotFoundError where files are neither here nor within reach, PermissionError for a gated repository
    without access, and OSError where the disk is too small; nothing is downloaded then.
    """
    downloads = missing_downloads(wanted)
    if downloads:
        print(summary(downloads), file=sys.stderr)
        check_disk(downloads)
    return [local_snapshot(files) or _downloaded(files) for files in wanted]


def summary(downloads: Sequence[Download]) -> str:
    """In words: every repository, the sum and the free disk."""
    total_gb = sum(download.num_bytes for download in downloads) / GB
    free_gb, cache = free_disk_gb(constants.HF_HUB_CACHE), constants.HF_HUB_CACHE
    rows = ["To be downloaded:", *(f"  {download.text()}" for download in downloads)]
    return "\n".join([*rows, f"  {total_gb:.1f} GB in all; {free_gb:.1f} GB of disk are free at {cache}"])


def check_disk(downloads: Sequence[Download]) -> None:
    total_gb = sum(download.num_bytes for download in downloads) / GB
    free_gb = free_disk_gb(constants.HF_HUB_CACHE)
    if total_gb > free_gb:
        raise OSError(
            f"{total_gb:.1f} GB are to be downloaded and {free_gb:.1f} GB of disk are free at "
            f"{constants.HF_HUB_CACHE}; set HF_HUB_CACHE to a folder on a larger disk"
        )


def local_snapshot(files: Files) -> Path | None:
    """The snapshot here, if it has all that is wanted; no request is made."""
    try:
        found = Path(snapshot_download(files.repository, allow_patterns=list(files.patterns), local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return found if all(any(found.glob(pattern)) for pattern in files.patterns if "*" not in pattern) else None


def begun_gb(wanted: Sequence[Files]) -> float:
    """GB of `wanted`'s repositories that lie in the hub's cache already, whole files and begun ones."""
    names = {f"models--{files.repository.replace('/', '--')}" for files in wanted}
    blobs = [blob for name in names for blob in (Path(constants.HF_HUB_CACHE) / name / "blobs").glob("*")]
    return sum(blob.stat().st_size for blob in blobs) / GB


@contextmanager
def naming(wanted: Sequence[Any]) -> Iterator[None]:
    """Add to an error about files out of reach what they are, with size and licence. wanted: lines of a plan."""
    try:
        yield
    except FileNotFoundError as error:
        if not wanted:
            raise
        files = ", ".join(f"{line.what} ({line.gb:.1f} GB)" for line in wanted)
        raise FileNotFoundError(f"{error}\nwanted: {files}; licences: {LICENCES}") from None


def _asked(files: Files) -> Download:
    with _hub_errors(files):
        info = HfApi().model_info(files.repository)
        planned = snapshot_download(
            files.repository, allow_patterns=list(files.patterns), dry_run=True, tqdm_class=_NoBar
        )
    if info.gated and get_token() is None:
        raise PermissionError(_no_access(files.repository))
    missing = [file for file in planned if file.will_download]
    card = info.card_data or {}
    return Download(
        files=files,
        num_files=len(missing),
        num_bytes=sum(file.file_size or 0 for file in missing),
        license=card.get("license_name") or card.get("license") or "not stated",
        is_gated=bool(info.gated),
    )


def _downloaded(files: Files) -> Path:
    with _hub_errors(files):
        return Path(snapshot_download(files.repository, allow_patterns=list(files.patterns)))


class _NoBar(tqdm):
    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options | {"disable": True})


@contextmanager
def _hub_errors(files: Files) -> Iterator[None]:
    """Turns what the hub's client raises about these files into errors that say what to do."""
    try:
        yield
    except GatedRepoError:
        raise PermissionError(_no_access(files.repository)) from None
    except (HTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        why = "HF_HUB_OFFLINE is set" if constants.is_offline_mode() else type(error).__name__
        raise FileNotFoundError(
            f"no {_shown(files.patterns)} in {files.repository!r}, neither here nor within reach on the hub "
            f"({why}); where you have the files, give their path instead"
        ) from None


def _shown(patterns: Sequence[str]) -> str:
    return ", ".join(patterns) if len(patterns) <= 3 else f"{patterns[0]} and {len(patterns) - 1} more"


def _no_access(repository: str) -> str:
    return (
        f"{repository} is gated, and this machine has no token with access to it: accept its terms at "
        f"https://huggingface.co/{repository}, then run `hf auth login` or set HF_TOKEN"
    )
