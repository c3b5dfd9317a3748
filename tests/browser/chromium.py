"""Finds the Chromium that the browser tests drive, and installs one where there is none. Knows nothing of the tests.

python tests/browser/chromium.py      prints its path, after installing it if need be; exits with 1 if that fails
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
ADVICE = """No Chromium found for the browser tests. Get one by any of these:
    sudo apt-get install chromium fonts-liberation      on Debian
    python -m playwright install --with-deps chromium   elsewhere
    PATH=...                                            with a folder that holds a chromium or google-chrome"""


def find() -> str | None:
    """Path of a Chromium that starts: one on PATH, else Playwright's own; None if there is neither."""
    for name in NAMES:
        path = shutil.which(name)
        if path and _starts(path):
            return path
    path = _playwrights_own()
    return path if _starts(path) else None


def install() -> None:
    """Debian's package for root on Debian (Ubuntu's is a snap), Playwright's build elsewhere.

    Raises CalledProcessError when the installer fails.
    """
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if is_root and _is_debian():
        commands = [
            ["apt-get", "update"],
            ["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-liberation"],
        ]
    else:
        with_libraries = ["--with-deps"] if is_root else []
        commands = [[sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"]]
    for command in commands:
        subprocess.run(command, check=True, stdout=sys.stderr)


def _playwrights_own() -> str:
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _starts(path: str) -> bool:
    """False for a missing file, and for Ubuntu's chromium-browser, which only asks for the snap."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def _is_debian() -> bool:
    try:
        with open("/etc/os-release", encoding="utf-8") as release:
            return "ID=debian" in release.read().splitlines()
    except OSError:
        return False


def main() -> int:
    if find() is None:
        try:
            install()
        except (OSError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
    path = find()
    print(path or ADVICE, file=sys.stdout if path else sys.stderr)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
