"""pyproject.toml is the one list of dependencies; constraints.txt and environment.yml agree with it."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import ltx_nb

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = PROJECT["dependencies"] + [requirement for extra in EXTRAS.values() for requirement in extra]
PYTHONS = ("3.11", "3.12", "3.13")
CONSTRAINTS = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def pins():
    """Version by canonical name. Raises ValueError for a line that is not name==version."""
    found = {}
    for line in CONSTRAINTS:
        name, version = line.split("==")
        found[canonicalize_name(name)] = version
    return found


def conda_environment():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip_list,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    return environment, pip_list


def test_constraints_are_exact_pins_each_once():
    assert len(pins()) == len(CONSTRAINTS)


@pytest.mark.parametrize(
    "requirement", [Requirement(line) for line in DIRECT], ids=lambda requirement: requirement.name
)
def test_pin_meets_the_floor(requirement):
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_conda_python_is_the_tested_one_and_the_projects():
    environment, _ = conda_environment()
    (version,) = (
        entry.removeprefix("python=")
        for entry in environment["dependencies"]
        if isinstance(entry, str) and entry.startswith("python=")
    )
    assert f"for Python {version} on Linux" in (ROOT / "CONTRIBUTING.md").read_text()
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)


def test_conda_installs_what_pip_does():
    _, pip_list = conda_environment()
    requirements = [line for line in pip_list if not line.startswith("--")]
    assert requirements == PROJECT["dependencies"] + EXTRAS["lab"]


def test_conda_uses_the_tested_set_and_this_checkout():
    _, pip_list = conda_environment()
    assert [line for line in pip_list if line.startswith("--")] == ["--constraint constraints.txt", "--editable ."]


def test_the_citation_names_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (ltx_nb.__version__, PROJECT["license"])


def test_the_pythons_that_are_named_are_those_that_are_taken():
    named = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if line.startswith("Programming Language ::")}
    assert named - {"3"} == set(PYTHONS)
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(version) for version in PYTHONS)
    assert not SpecifierSet(PROJECT["requires-python"]).contains("3.10")


def test_the_tested_set_takes_the_first_release_of_each_python():
    """Debian 12 has Python 3.11.2, and a package that wants a later 3.11 would leave its users without the set."""
    wanted = {}
    for name, version in pins().items():
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra that is not tested
        if package.version == version:
            wanted[name] = SpecifierSet(package.metadata["Requires-Python"] or "")
    assert len(wanted) > 100
    first = [f"{python}.0" for python in PYTHONS]
    assert [name for name, python in wanted.items() if not all(map(python.contains, first))] == []


@pytest.mark.skipif(
    not os.environ.get("LTX_NB_RESOLVE"),
    reason="asks the package index for some hundred packages, a minute each; LTX_NB_RESOLVE=1 does",
)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("constrained", [True, False], ids=["pinned", "newest"])
def test_every_dependency_has_a_wheel_for(python, constrained, tmp_path):
    """By pip's resolver, with the tested set and with the newest of everything, and nothing is installed."""
    report = tmp_path / "report.json"
    pins = ["--constraint", str(ROOT / "constraints.txt")] if constrained else []
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", report]
    wheels = ["--only-binary", ":all:", "--python-version", python, "--target", tmp_path / "nowhere"]
    subprocess.run([*command, *wheels, *pins, *PROJECT["dependencies"], *EXTRAS["lab"], *EXTRAS["test"]], check=True)
    found = {canonicalize_name(item["metadata"]["name"]) for item in json.loads(report.read_text())["install"]}
    assert {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]} <= found


def test_ltx_nb_is_a_command():
    (command,) = entry_points(group="console_scripts", name="ltx-nb")
    assert command.value == PROJECT["scripts"]["ltx-nb"]
