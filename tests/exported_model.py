"""The exported tiny model, and the page that runs it, each made once for all tests of a run and kept for the next."""

import hashlib
import importlib.util
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "try"
KEPT = ROOT / ".pytest_cache" / "try"


def load_build():
    """The module docs/try/build.py."""
    spec = importlib.util.spec_from_file_location("try_page_build", PAGE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exported_model() -> Path:
    """Folder of the exported model: exported anew where the exporter, its libraries or the weights are others."""
    digest = hashlib.sha256("".join(version(name) for name in ("torch", "onnx", "onnxscript")).encode())
    tiny = ROOT / "ltx_nb" / "tiny"
    for path in [*sorted(tiny.glob("*web*.py")), *sorted(tiny.glob("weights/**/*"))]:
        if path.is_file():
            digest.update(path.read_bytes())
    folder = KEPT / f"model-{digest.hexdigest()[:16]}"
    if not folder.exists():
        import ltx_nb
        from ltx_nb.tiny.export_web import export_web

        KEPT.mkdir(parents=True, exist_ok=True)
        export_web(ltx_nb.load("tiny"), folder)
    return folder


def runtime() -> Path:
    """Folder of onnxruntime-web. Skips the test where npm cannot fetch it."""
    build = load_build()
    folder = KEPT / f"ort-{build.RUNTIME.partition('@')[2]}"
    if not (folder / "runtimes.json").exists():
        try:
            build.fetch_runtime(folder)
        except OSError as error:
            pytest.skip(str(error))
    return folder


def page(folder: Path) -> Path:
    """The whole page, in a new folder. Skips the test where npm cannot fetch what runs the model."""
    folder.mkdir(parents=True)
    (folder / "ort").symlink_to(runtime(), target_is_directory=True)
    (folder / "model").symlink_to(exported_model(), target_is_directory=True)
    load_build().build(folder)
    return folder
