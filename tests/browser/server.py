"""A Jupyter server for tests: JupyterLab under /lab and Notebook 7 under /notebooks, kernels in this Python.

Reads and writes no setting of the user. It has no token, so it listens on the loopback address alone. Knows no browser.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 60


@dataclass(frozen=True)
class Server:
    """A running server: its address without a trailing slash, and the folder whose notebooks it serves."""

    url: str
    folder: Path

    def stop_kernels(self) -> None:
        """Ends every kernel; returns when the server has let go of them."""
        with urlopen(f"{self.url}/api/sessions", timeout=ANSWER_TIMEOUT_S) as reply:
            sessions = json.load(reply)
        for session in sessions:
            end = Request(f"{self.url}/api/sessions/{session['id']}", method="DELETE")
            urlopen(end, timeout=ANSWER_TIMEOUT_S).close()


@contextmanager
def running_server(scratch: Path) -> Iterator[Server]:
    """A server whose notebooks, settings and log are in the existing folder `scratch`.

    Raises RuntimeError with the end of its log if it does not answer within START_TIMEOUT_S.
    """
    folders = {name: scratch / name for name in ("notebooks", "config", "data", "runtime", "ipython")}
    for folder in folders.values():
        folder.mkdir()
    choices = folders["config"] / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    choices.mkdir(parents=True)
    (choices / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    log = scratch / "server.log"
    own_folders = {
        "JUPYTER_CONFIG_DIR": folders["config"],
        "JUPYTER_DATA_DIR": folders["data"],
        "JUPYTER_RUNTIME_DIR": folders["runtime"],
        "IPYTHONDIR": folders["ipython"],
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--ServerApp.root_dir={folders['notebooks']}", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={_free_port()}", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | {name: str(folder) for name, folder in own_folders.items()},
            cwd=scratch,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Server(_address(process, folders["runtime"], log), folders["notebooks"])
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _address(process: subprocess.Popen, runtime: Path, log: Path) -> str:
    """Where the server answers: it takes the next free port if another program was faster, and notes it in a file."""
    note = runtime / f"jpserver-{process.pid}.json"
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            url = json.loads(note.read_text())["url"].rstrip("/")
            urlopen(f"{url}/api/status", timeout=5).close()
            return url
        except (FileNotFoundError, json.JSONDecodeError, URLError):
            time.sleep(0.05)
    ending = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
    raise RuntimeError(f"the Jupyter server did not start within {START_TIMEOUT_S} s; its log ends:\n{ending}")
