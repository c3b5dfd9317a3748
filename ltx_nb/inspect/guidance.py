"""Terms of guidance: the size and direction of each at each step of a traced run, and clips without one of them.

A term is how far the prompt's prediction of the clean latents (x0) is from another pass's: without the prompt (cfg),
with skipped self-attention (stg), with lanes that do not hear each other (modality). Knows no plots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ltx_nb.checks import finite_number, whole_number
from ltx_nb.clip import LANES, Clip
from ltx_nb.inspect.inputs import check_latents, check_request, listed
from ltx_nb.sampling import UNGUIDED
from ltx_nb.trace import Trace

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session
    from ltx_nb.request import ClipRequest

# LTX2Guidance's name of the pass that each term compares with, and the settings that turn the term off.
PASSES = {"cfg": "pred_uncond", "stg": "pred_cond_stg", "modality": "pred_cond_modality"}
SCALES = {"cfg": "guidance_scale", "stg": "stg_scale", "modality": "modality_scale"}
OFF = {
    term: {setting: getattr(UNGUIDED, setting) for setting in (scale, f"audio_{scale}")}
    for term, scale in SCALES.items()
}


@dataclass(frozen=True, eq=False)
class Term:
    """One term in one lane over S steps, before its scale.

    size: [S], RMS of the term, of the prompt's x0. direction: [S], cosine between the term and the way from the
    prompt's x0 to where the run ends: positive where it leads there, 0 for a term of no size or at the end.
    """

    size: np.ndarray
    direction: np.ndarray


@dataclass(frozen=True, eq=False)
class GuidanceTerms:
    """The terms that a run had, by name ("cfg", "stg", "modality"), for each lane. steps, sigmas: [S]."""

    stage: int
    steps: np.ndarray
    sigmas: np.ndarray
    video: dict[str, Term]
    audio: dict[str, Term]


def guidance_terms(trace: Trace, stage: int = 1) -> GuidanceTerms:
    """Measure the terms of one stage of a run with trace=True.

    Raises ValueError where the trace has no passes before guidance: not guided, or no room for them.
    """
    stage = whole_number("stage", stage, least=1)
    if not isinstance(trace, Trace):
        raise ValueError(f"trace is a {type(trace).__name__}; run with trace=True and give clip.trace")
    kept = [step for step in trace.steps if step.stage == stage and step.predictions]
    if not kept:
        reason = "; ".join(trace.notes) or "the run was not guided: set guidance_scale above 1, or stg_scale above 0"
        raise ValueError(f"the trace holds no passes before guidance in stage {stage} ({reason})")
    last = [step for step in trace.steps if step.stage == stage and step.x0 is not None][-1]
    names = [name for name, of_pass in PASSES.items() if of_pass in kept[0].predictions]
    lanes = {}
    for lane, end in zip(LANES, (last.x0, last.audio_x0), strict=True):
        index = LANES.index(lane)
        end = check_latents(end)
        by_step = [{name: check_latents(both[index]) for name, both in step.predictions.items()} for step in kept]
        lanes[lane] = {name: _term(by_step, PASSES[name], end) for name in names}
    return GuidanceTerms(
        stage=stage,
        steps=np.array([step.index for step in kept]),
        sigmas=np.array([step.sigma for step in kept]),
        **lanes,
    )


def without_terms(session: Session, request: ClipRequest) -> dict[str, Clip]:
    """The request's clip as it is ("all terms"), and without each of the terms that it has, on both lanes.

    Raises ValueError for what is no ClipRequest, or not one that this model can run.
    """
    check_request(request)
    sampling = session.model.complete(request.sampling)
    clips = {"all terms": session.run(request, progress=False)}
    for name, off in OFF.items():
        if any(getattr(sampling, setting) != value for setting, value in off.items()):
            clips[f"without {name}"] = session.run(_changed(request, off), progress=False)
    return clips


def scale_grid(
    session: Session, request: ClipRequest, guidance_scales: Sequence[float], stg_scales: Sequence[float]
) -> dict[str, Clip]:
    """The request's clip at every pair of scales, which both lanes take, by "cfg 3, stg 1".

    Raises ValueError, before the first run, for what is no ClipRequest, and scales that are no list of numbers from 0.
    """
    check_request(request)
    cfg_scales = [finite_number("guidance_scales", one, least=0) for one in listed("guidance_scales", guidance_scales)]
    stg_scales = [finite_number("stg_scales", one, least=0) for one in listed("stg_scales", stg_scales)]
    clips = {}
    for cfg in cfg_scales:
        for stg in stg_scales:
            scales = {"guidance_scale": cfg, "stg_scale": stg}
            both = scales | {f"audio_{name}": value for name, value in scales.items()}
            clips[f"cfg {cfg:g}, stg {stg:g}"] = session.run(_changed(request, both), progress=False)
    return clips


def _changed(request: ClipRequest, settings: dict[str, Any]) -> ClipRequest:
    return request.replace(sampling=replace(request.sampling, **settings))


def _term(by_step: list[dict[str, np.ndarray]], of_pass: str, end: np.ndarray) -> Term:
    sizes, directions = [], []
    for predictions in by_step:
        x0 = predictions["pred_cond"].astype(np.float64)
        term, way = x0 - predictions[of_pass], end - x0
        sizes.append(_norm(term) / max(_norm(x0), 1e-12))
        lengths = _norm(term) * _norm(way)
        directions.append(float((term * way).sum() / lengths) if lengths > 0 else 0.0)
    return Term(np.array(sizes), np.array(directions))


def _norm(values: np.ndarray) -> float:
    return float(np.linalg.norm(values))
