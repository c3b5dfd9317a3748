"""The package as a whole: what importing it costs, which names it has, and which way its imports point."""

import ast
import json
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import ltx_nb

ROOT = Path(ltx_nb.__file__).parent
WIDGETS = ROOT.parent / "widgets" / "ltx_widgets"

HEAVY = {"IPython", "PIL", "av", "diffusers", "ipywidgets", "matplotlib", "numpy", "torch", "transformers"}
REQUEST_SIDE = (
    "checks",
    "local_files",
    "shapes",
    "source",
    "given",
    "timed",
    "reference",
    "sampling",
    "request",
    "arrays",
    "whole_files",
    "media",
    "clip",
)
ENGINE = ("loading", "pipeline", "running")
ABOVE_ENGINE = ("tiny", "sweep", "cli")


# The wings from the top down, as notebooks meet them. A module imports from its own line or from one further down, and
# the wings of a line do not import each other in a circle. A module that is in no package is a wing by itself.
LINES = (
    ("ltx_widgets",),
    ("cli", "tiny", "sweep", "comfy", "training"),
    ("plots",),
    ("inspect",),
    ("pipeline", "loading", "remote"),
    ("planning", "running"),
    ("catalogue", "stages", "trace", "mel", "spoken"),
    (
        "request",
        "applied_lora",
        "given",
        "timed",
        "reference",
        "source",
        "sampling",
        "clip",
        "clip_files",
        "control",
        "spans",
        "display",
        "media",
        "shapes",
    ),
    ("checks", "arrays", "lazy", "whole_files", "local_files"),
)


def imported_in_fresh_python(statement):
    """Top-level packages that `statement` brings into a new interpreter."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("statement", ["import ltx_nb", "import ltx_nb; dir(ltx_nb)"])
def test_import_pulls_in_nothing_heavy(statement):
    assert not imported_in_fresh_python(statement) & HEAVY


def test_a_request_needs_nothing_heavy():
    assert not imported_in_fresh_python("import ltx_nb; ltx_nb.ClipRequest('a ball').to_json()") & HEAVY


OF_MEDIA = ("av", "librosa", "pyloudnorm", "soundfile", "soxr")
RUN_WITHOUT_MEDIA = f"""
import sys
sys.modules |= dict.fromkeys({OF_MEDIA}, None)  # any import of one of them fails
import ltx_nb
assert ltx_nb.load("tiny").text_to_video("A red ball bounces.", num_frames=9, progress=False).audio is not None
"""


def test_a_model_loads_and_runs_without_what_reads_and_writes_media():
    assert imported_in_fresh_python(RUN_WITHOUT_MEDIA)


def test_public_names_are_those_of_the_table():
    assert sorted(ltx_nb.__all__) == sorted([*ltx_nb._MODULE_OF, *ltx_nb._PACKAGES])
    assert set(dir(ltx_nb)) == {*ltx_nb.__all__, "__version__"}


def test_packages_are_there_without_a_further_import():
    code = "import ltx_nb; print(ltx_nb.inspect.__name__, ltx_nb.plots.__name__, ltx_nb.training.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.split() == ["ltx_nb.inspect", "ltx_nb.plots", "ltx_nb.training"]


USER_PROGRAM = """
import ltx_nb as ltx

session: ltx.Session = ltx.load("tiny")
request = ltx.ClipRequest("a red ball", width=128, height=128, num_frames=25, sampling=ltx.Sampling(guidance_scale=2.0))
clip: ltx.Clip = session.run(request, trace=True)
clip.save("ball.mp4")
duration_s: float = clip.duration_s
again: ltx.ClipRequest = ltx.ClipRequest.from_file("ball.mp4")
longer: ltx.Clip = session.extend(clip, seconds=2)
requests: list[ltx.ClipRequest] = ltx.sweep.grid(prompt=["a", "b"], seed=range(4))
"""


def test_types_are_published_and_hold_a_users_program_to_them(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(USER_PROGRAM + "length: str = clip.duration_s\n")
    # By this project's settings, which do not follow torch and the like, but strict, and silent on the package itself.
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--config-file", str(ROOT.parent / "pyproject.toml"), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parent)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    wrong = 'error: Incompatible types in assignment (expression has type "float", variable has type "str")'
    assert len(errors) == 1 and wrong in errors[0], done.stdout
    assert (ROOT / "py.typed").is_file() and (WIDGETS / "py.typed").is_file()


def test_a_public_name_is_imported_when_it_is_used():
    from ltx_nb.request import ClipRequest

    assert ltx_nb.ClipRequest is ClipRequest


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ltx_nb' has no attribute 'ClipRequset'"):
        ltx_nb.ClipRequset  # noqa: B018


def modules(root):
    """Each module under root but root's own __init__: its name from root on, its package and its syntax tree."""
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            package = ".".join(path.relative_to(root.parent).parent.parts)
            yield name, package, ast.parse(path.read_text(encoding="utf-8"))


def imports(tree, package, at_module_level=False, for_types=False):
    """Dotted names that a module imports: anywhere, or when it is itself imported.

    TYPE_CHECKING blocks do not run; for_types: what they import counts as well.
    """
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            pending += node.orelse
        elif not (at_module_level and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            pending += ast.iter_child_nodes(node)


def within(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def forbidden(root, importers, imported, at_module_level=False):
    """'module imports name' for each import of `imported` in the modules of `root` that are within `importers`."""
    return [
        f"{module} imports {name}"
        for module, package, tree in modules(root)
        if importers is None or within(module, importers)
        for name in imports(tree, package, at_module_level)
        if within(name, imported)
    ]


def of_package(names):
    return [f"ltx_nb.{name}" for name in names]


def test_imports_are_found_where_they_stand():
    code = """
import a.b
if TYPE_CHECKING:
    import c
class K:
    from d import e
def f():
    import g
    from .. import h
"""
    tree = ast.parse(code)
    assert set(imports(tree, "p.q")) == {"a.b", "d.e", "g", "p.h"}
    assert set(imports(tree, "p.q", at_module_level=True)) == {"a.b", "d.e"}
    assert set(imports(tree, "p.q", for_types=True)) == {"a.b", "c", "d.e", "g", "p.h"}


@cache
def import_graph():
    """Each module of the kit with those of the kit that it imports; `ltx_nb` itself, which names many, is left out.

    An import counts wherever it stands: one inside a function is there to be run, and one for type checkers is known to
    whoever reads or changes either side. To import a module is to import the packages that it is in, too.
    """
    found = [(root, *module) for root in (ROOT, WIDGETS) for module in modules(root)]
    trees = {f"{root.name}.{name}": (package, tree) for root, name, package, tree in found}
    graph = {}
    for name, (package, tree) in trees.items():
        imported = {part for dotted in imports(tree, package, for_types=True) for part in beginnings(dotted)}
        graph[name] = {part for part in imported & set(trees) if not within(name, [part])}
    return graph


def beginnings(dotted):
    parts = dotted.split(".")
    return {".".join(parts[: n + 1]) for n in range(len(parts))}


def wing_of(name):
    package, _, rest = name.partition(".")
    return rest.split(".")[0] if package == "ltx_nb" else package


def circle_in(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def runs_back(line_of, importer, imported):
    return line_of[wing_of(imported)] < line_of[wing_of(importer)]


def test_imports_point_one_way_between_the_wings():
    line_of = {wing: line for line, wings in enumerate(LINES) for wing in wings}
    graph = import_graph()
    assert {wing_of(name) for name in graph} <= set(line_of)
    arrows = {(name, other) for name, others in graph.items() for other in others}
    back = {arrow for arrow in arrows if runs_back(line_of, *arrow)}
    assert sorted(back) == []
    beside = {wing: set() for wing in line_of}
    for importer, imported in arrows:
        if line_of[wing_of(importer)] == line_of[wing_of(imported)] and wing_of(importer) != wing_of(imported):
            beside[wing_of(importer)].add(wing_of(imported))
    assert circle_in(beside) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circle_in(import_graph()) == []


def test_the_tiny_model_is_known_to_the_command_line_alone():
    importers = {name for name, others in import_graph().items() for other in others if wing_of(other) == "tiny"}
    assert {wing_of(name) for name in importers} <= {"tiny", "cli"}


def test_the_package_does_not_know_the_widgets():
    assert not forbidden(ROOT, None, ["ltx_widgets", "notebooks"])


def test_the_package_imports_no_notebook_front_end_at_module_level():
    assert not forbidden(ROOT, None, ["IPython", "ipywidgets", "anywidget"], at_module_level=True)


def test_what_is_asked_for_does_not_know_how_it_is_made():
    above = [*ENGINE, *ABOVE_ENGINE, "inspect", "plots", "trace"]
    assert not forbidden(ROOT, REQUEST_SIDE, ["torch", "diffusers", "transformers", *of_package(above)])


def test_the_engine_does_not_know_what_is_built_on_it():
    assert not forbidden(ROOT, ENGINE, of_package([*ABOVE_ENGINE, "inspect", "plots"]))


def test_inspection_does_not_draw():
    assert not forbidden(ROOT, ["inspect"], ["matplotlib", *of_package(["plots"])])


def test_plots_do_not_compute():
    assert not forbidden(ROOT, ["plots"], ["torch", "diffusers", *of_package([*ENGINE, *ABOVE_ENGINE])])


def test_pyav_is_used_in_media_alone():
    others = [name for name, *_ in modules(ROOT) if not within(name, ["media"])]
    assert not forbidden(ROOT, others, ["av"])


def test_nothing_reads_pickles():
    assert not forbidden(ROOT, None, ["pickle", "joblib", "dill", "cloudpickle"])


def test_only_the_studio_joins_widgets_to_the_engine():
    others = [name for name, *_ in modules(WIDGETS) if not within(name, ["studio_box"])]
    assert not forbidden(WIDGETS, others, ["torch", "diffusers", *of_package(ENGINE)])
