"""What a Session costs over bare diffusers: `session.text_to_video` against `LTX2Pipeline`, same model, size and steps.

    python benchmarks/overhead.py

Both make 49 frames of 128x128 with sound in 8 steps from the same weights, one run of each by turns, progress off;
the ratio is the median over the pairs of runs, of CPU seconds too, which a busy machine does not stretch. Also: how
long imports and load take, and one clip with sound made and saved. Prints a table and writes overhead.json beside
this file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measuring import report, timed

PROMPT = "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump."
PAIRS = 9
BOUNDS = {"import ltx_nb, s": 0.3, "load with imports, s": 8.0, "clip made and saved, s": 4.0, "ratio": 1.03}


def import_seconds() -> float:
    return (
        timed(lambda: subprocess.run([sys.executable, "-c", "import ltx_nb"], check=True))[0]
        - timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))[0]
    )


def bare_pipeline(session):
    """diffusers' own pipeline of the session's components."""
    from diffusers import LTX2Pipeline

    names = LTX2Pipeline.__init__.__annotations__
    pipe = LTX2Pipeline(**{name: part for name, part in session.pipe.components.items() if name in names})
    pipe.set_progress_bar_config(disable=True)
    return pipe


def settings_of(session) -> dict:
    """The session's size, length and sampling, as LTX2Pipeline's arguments."""
    from ltx_nb import Sampling

    model = session.model
    settings = model.complete(Sampling()).to_dict()
    return settings | {"width": model.width, "height": model.height, "num_frames": model.num_frames}


def main() -> None:
    found: dict[str, float] = {"import ltx_nb, s": min(import_seconds() for _ in range(3))}

    def load():
        nonlocal session
        import ltx_nb

        session = ltx_nb.load("tiny")

    session = None
    found["load with imports, s"] = timed(load)[0]
    import torch

    pipe, settings = bare_pipeline(session), settings_of(session)
    room = session.pipe.tokenizer.model_max_length

    def bare(seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        pipe(PROMPT, generator=generator, max_sequence_length=room, output_type="np", **settings)

    def ours(seed: int) -> None:
        session.text_to_video(PROMPT, seed=seed, progress=False)

    for warm_up in (bare, ours):
        warm_up(0)
    runs = []
    for seed in range(PAIRS):
        pair = (bare, ours) if seed % 2 else (ours, bare)
        times = {work.__name__: timed(lambda work=work, seed=seed: work(seed)) for work in pair}
        runs.append((*times["bare"], *times["ours"]))
    found["bare LTX2Pipeline, s"] = median(run[0] for run in runs)
    found["session.text_to_video, s"] = median(run[2] for run in runs)
    found["ratio"] = median(run[2] / run[0] for run in runs)
    found["ratio of CPU seconds"] = median(run[3] / run[1] for run in runs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        saved = [timed(lambda: session.text_to_video(PROMPT, progress=False).save(path))[0] for _ in range(3)]
    found["clip made and saved, s"] = median(saved)
    report(__file__, found, BOUNDS)


if __name__ == "__main__":
    main()
