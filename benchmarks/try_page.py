"""The tiny model in a web page, on WASM in headless Chromium: how soon, in how much memory, and what its clips show.

    python benchmarks/try_page.py

Times are on the wall clock, of a page served from this machine by a browser that keeps nothing yet: what a network adds
is not in them. Memory is the most that the browser's processes of the page held. The clips are of prompts that nothing
was chosen on, judged by the tiny world's detectors; the kit's own clips of the same prompts and seeds are judged beside
them. Prints tables and writes try_page.json beside this file.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from measuring import keep, table
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from browser import chromium
from browser.try_page import make, served, start
from exported_model import page

import ltx_nb
from ltx_nb.tiny.evaluate import draw_cases
from ltx_nb.tiny.scores import Case, Outcome, score

PROMPTS, SEED = 12, 60_000
LONG_MS = 600_000
MB = 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium.find(), args=["--no-sandbox"])
        with served(page(Path(scratch) / "try")) as address:
            found = first_clip(chrome, address)
            tab = chrome.new_page()
            tab.goto(address)
            start(tab, address)
            made = [(case, make(tab, case.prompt, case.seed)) for case in cases()]
        chrome.close()
    session = ltx_nb.load("tiny")
    own = [session.text_to_video(case.prompt, seed=case.seed, progress=False) for case, _ in made]
    outcomes = [Outcome.of(case, clip["clip"]) for case, clip in made]
    own_outcomes = [Outcome.of(case, clip) for (case, _), clip in zip(made, own, strict=True)]
    found["seconds a clip"] = round(median(clip["seconds"] for _, clip in made), 2)
    pairs = [
        (page_made["clip"].frames.astype(float), kit.frames) for (_, page_made), kit in zip(made, own, strict=True)
    ]
    found["furthest from the kit's pictures, of 255"] = round(
        max(np.abs(one - other).mean() for one, other in pairs), 3
    )
    print(table(["", "measured"], found.items()))
    findings = [
        {"what": page.name, "the page": round(page.value, 2), "the kit": round(kit.value, 2), "unit": page.unit}
        for page, kit in zip(score(outcomes), score(own_outcomes), strict=True)
    ]
    wrong = [
        {"what": page.case.prompt, "the page": ", ".join(page.wrongs()), "the kit": ", ".join(kit.wrongs())}
        for page, kit in zip(outcomes, own_outcomes, strict=True)
        if page.wrongs() or kit.wrongs()
    ]
    for rows in (findings, wrong):
        print(table([f"of {PROMPTS} prompts", "the page", "the kit"], (list(row.values())[:3] for row in rows)))
    keep(__file__, {**found, "prompts": PROMPTS, "findings": findings, "wrong": wrong})


def cases() -> list[Case]:
    """The first of a draw that have the page's size."""
    drawn = draw_cases(4 * PROMPTS, SEED)
    return [one for one in drawn if (one.scene.width, one.scene.height, one.scene.num_frames) == (128, 128, 49)][
        :PROMPTS
    ]


def first_clip(chrome, address: str) -> dict[str, float]:
    """Press the button in a fresh page, and wait for the clip."""
    tab = chrome.new_context().new_page()
    tab.goto(address)
    button = tab.get_by_role("button", name="Make the clip")
    expect(button).to_be_enabled()
    before_mb = memory_mb()
    with peak_memory_mb() as peak:
        began = time.perf_counter()
        button.click()
        expect(tab.get_by_role("status")).to_contain_text("Made in", timeout=LONG_MS)
        seconds = time.perf_counter() - began
    loading = float(tab.locator("body").get_attribute("data-load-seconds"))
    tab.context.close()
    return {
        "click to first clip, s": round(seconds, 2),
        "of it, reading and starting the model, s": round(loading, 2),
        "memory before, MB": round(before_mb),
        "most memory, MB": round(max(peak)),
    }


@contextmanager
def peak_memory_mb() -> Iterator[list[float]]:
    found, ended = [memory_mb()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            found.append(memory_mb())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def memory_mb() -> float:
    """Memory of this process's renderers alone: each runs pages and their workers."""
    total = 0
    for child in psutil.Process().children(recursive=True):
        try:
            if "--type=renderer" in child.cmdline():
                total += child.memory_full_info().uss
        except psutil.Error:
            pass  # ended meanwhile
    return total / MB


if __name__ == "__main__":
    main()
