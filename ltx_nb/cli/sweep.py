"""The command `ltx-nb sweep`: many requests from a file, each an MP4 in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ltx_nb.cli.commands import AsJson, ModelName, PresetName, app
from ltx_nb.cli.outcome import outcome_of_command

MAX_BYTES = 256_000_000


@app.command()
def sweep(
    requests: Annotated[Path, typer.Argument(help="JSONL file: a request a line, as `ClipRequest.to_json` writes it.")],
    out: Annotated[Path, typer.Option(help="Folder for the clips; what is in it is not made again.")],
    model: ModelName = "tiny",
    preset: PresetName = "auto",
    workers: Annotated[int, typer.Option(help="Processes on this machine.", min=1)] = 1,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler instead: tcp://host:8786.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make every request of a file; stop it with Ctrl-C and go on by the same command."""
    with outcome_of_command(as_json) as outcome:
        import ltx_nb
        from ltx_nb.sweep import sweep as run_all

        wanted = _read(requests)
        loading: dict[str, Any] = {"model": model, "preset": preset}
        if scheduler is not None:
            client = _client(scheduler)
            try:
                rows = run_all(client, wanted, out, **loading)
            finally:
                client.close()
        elif workers > 1:
            rows = run_all(workers, wanted, out, **loading)
        else:
            rows = run_all(ltx_nb.load(model, preset), wanted, out)
        failed = [row for row in rows if row.error is not None]
        outcome.data["clips"] = [
            {"path": str(row.path), "seconds": row.seconds, "error": row.error, "seed": row.request.seed}
            for row in rows
        ]
        there = sum(row.seconds is None and row.error is None for row in rows)
        made = len(rows) - len(failed) - there
        outcome.text = f"{out}: {made} made, {there} there already, {len(failed)} failed"
        outcome.text += "".join(f"\n{row.path.name}: {row.error}" for row in failed)


def _read(path: Path) -> list[Any]:
    from ltx_nb import ClipRequest

    if not path.is_file():
        raise ValueError(f"no file {path}; write one request a line, by ClipRequest.to_json()")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; {MAX_BYTES:,} are the most")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                found.append(ClipRequest.from_json(line).found_beside(path))
            except ValueError as error:
                raise ValueError(f"{path.name}, line {number}: {error}") from None
    return found


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--scheduler needs Dask: pip install 'ltx-nb[sweep]'; nearest: --workers 2") from None
    return Client(address)
