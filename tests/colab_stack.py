"""What `make test-colab` runs first: it is Colab's Jupyter stack that the tests after it meet."""

from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

LINES = (Path(__file__).parents[1] / "constraints-colab.txt").read_text().splitlines()
PINS = [Requirement(line) for line in LINES if not line.startswith("#")]


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: pin.name)
def test_colabs_version_comes_first(pin):
    assert pin.specifier.contains(version(pin.name))
