"""Writes the tiny model for a web page: a folder of ONNX parts, and `model.json` with everything else a sampler needs.

Weights are stored in fp16, which has every digit of the kit's bf16, and computed with in fp32. One clip
size, that of the model. Needs the extra "web". The parts are those of `web_parts`, made ONNX by `web_onnx`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import ltx_nb
from ltx_nb import shapes
from ltx_nb.pipeline.prepare import draw_noise, pack_video
from ltx_nb.request import ClipRequest
from ltx_nb.whole_files import whole_folder

from . import web_parts
from .web_onnx import Part, to_onnx

if TYPE_CHECKING:
    from ltx_nb.pipeline.session import Session

FORMAT = "ltx-nb-web-1"
# Decoders that a page may run on a graphics card, and the lane of what they decode.
LANE_OF_CHECKED = {"picture": "video", "sound": "audio"}
NUM_CHECKED, SHARE_CHECKED = 31, 0.03  # values compared, and how far they may be apart, of the largest
PROMPTS = (
    "A red ball bounces on the floor in front of a navy background. Each bounce makes a deep thump.",
    "A green square slides from side to side in front of a black background. Each turn makes a woody knock.",
    "A yellow triangle bounces up and down in front of a teal background. A ringing bell is heard.",
    "A purple ball stands still in front of a gray background. There is no sound.",
)


def parts_of(session: Session) -> dict[str, Callable[[], Part]]:
    """Return by name what makes each part of the model, with examples of its inputs, every time the same."""
    pipe, request = session.pipe, _request(session)
    latent, frame_tokens = request.video_latent_shape, request.video_latent_shape.tokens_per_frame
    shape, count = (latent.num_frames, latent.height, latent.width), request.audio_tokens
    num_samples = round(request.duration_s * session.sample_rate)
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator)
    words = pipe.tokenizer(
        [PROMPTS[0]], padding="max_length", max_length=pipe.tokenizer.model_max_length, return_tensors="pt"
    )
    text_room = pipe.tokenizer.model_max_length

    def transformer() -> Part:
        inputs = {
            "latents": draw(1, latent.tokens, 128),
            "audio_latents": draw(1, count, 128),
            "video_text": draw(1, text_room, pipe.transformer.config.cross_attention_dim),
            "audio_text": draw(1, text_room, pipe.transformer.config.audio_cross_attention_dim),
            "timestep": torch.full((1, latent.tokens), 700.0),
            "audio_timestep": torch.full((1, count), 700.0),
            "sigma": torch.full((1,), 700.0),
            "audio_sigma": torch.full((1,), 700.0),
        }
        inputs["timestep"][:, :frame_tokens] = 0  # as where the first frame is given
        module = web_parts.Transformer(pipe, shape, count, request.frame_rate)
        return Part(module, inputs, ("velocity", "audio_velocity"))

    picture = (torch.rand(request.height, request.width, 4, generator=generator) * 255).to(torch.uint8)
    return {
        "text": lambda: Part(
            web_parts.Text(pipe),
            {"input_ids": words.input_ids, "attention_mask": words.attention_mask},
            ("video_text", "audio_text"),
        ),
        "transformer": transformer,
        "glance": lambda: Part(web_parts.Glance(pipe, shape), {"latents": draw(1, latent.tokens, 128)}, ("frames",)),
        "picture": lambda: Part(web_parts.Picture(pipe, shape), {"latents": draw(1, latent.tokens, 128)}, ("frames",)),
        "sound": lambda: Part(web_parts.Sound(pipe, num_samples), {"audio_latents": draw(1, count, 128)}, ("samples",)),
        "image": lambda: Part(web_parts.Image(pipe), {"picture": picture}, ("latents",)),
    }


def export_web(session: Session, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Write the model into a new folder and return what its `model.json` says.

    Raises FileExistsError where there is something at `folder`, ImportError without the extra "web".
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401, torch's exporter is built on it
    except ImportError as error:
        raise ImportError(f"{error.name} is missing; pip install 'ltx-nb[web]'") from None
    if os.path.exists(folder):
        raise FileExistsError(f"{os.fspath(folder)} is there already; give a folder that is not")
    with whole_folder(folder) as unfinished:
        parts, checks = {}, {}
        for name, make in parts_of(session).items():
            part = make()
            model = to_onnx(part)
            path = unfinished / f"{name}.onnx"
            onnx.save(model, path)
            content = path.read_bytes()
            parts[name] = {
                "file": path.name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "inputs": {name: list(value.shape) for name, value in part.inputs.items()},
                "outputs": list(part.outputs),
            }
            if name in LANE_OF_CHECKED:
                checks[name] = _check(part, LANE_OF_CHECKED[name], session)
        described = describe(session) | {"parts": parts, "checks": checks}
        Path(unfinished, "model.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    return described


def _check(part: Part, lane: str, session: Session) -> dict[str, Any]:
    """Return a decoder's values for the noise of seed 0 at a few places, which a page holds a graphics card to."""
    request = _request(session)
    latent = request.video_latent_shape
    if lane == "video":
        noise = pack_video(draw_noise(0, lane, 1, (1, 128, latent.num_frames, latent.height, latent.width)))
    else:
        noise = draw_noise(0, lane, 1, (1, request.audio_tokens, 128))
    with torch.no_grad():
        found = part.module(noise).flatten().numpy()
    places = np.linspace(0, len(found) - 1, NUM_CHECKED).astype(int)
    values = [[int(at), float(found[at])] for at in places]
    return {"lane": lane, "seed": 0, "values": values, "tolerance": SHARE_CHECKED * float(np.abs(found).max())}


def describe(session: Session) -> dict[str, Any]:
    """Return what a sampler must know beside the parts, as plain data.

    sigmas: noise levels of the steps, and the 0 they end in, as the float32 that they are. noise: the shape that each
    lane's is drawn in, channels first for video; `ltx_nb.pipeline.prepare.draw_noise` says how. intervals_s: seconds
    [start, end) of every latent frame and audio latent. request: of a clip, whose prompt and seed are to be filled in.
    words: what a prompt can name, as `session.vocabulary` has it.
    """
    request = _request(session)
    sampling = session.model.sampling
    sigmas = session.model.sigmas_of(sampling.num_inference_steps)
    latent = request.video_latent_shape
    tokenizer = session.pipe.tokenizer
    vocabulary = session.vocabulary
    return {
        "format": FORMAT,
        "version": ltx_nb.__version__,
        "request": request.to_dict(),
        "sample_rate": session.sample_rate,
        "num_samples": round(request.duration_s * session.sample_rate),
        "latent_shape": [latent.num_frames, latent.height, latent.width],
        "channels": 128,
        "sigmas": [float(np.float32(sigma)) for sigma in (*sigmas, 0.0)],
        "timesteps_per_sigma": session.pipe.scheduler.config.num_train_timesteps,
        "noise": {
            "video": [1, 128, latent.num_frames, latent.height, latent.width],
            "audio": [1, request.audio_tokens, 128],
        },
        "intervals_s": {
            "video": shapes.video_intervals_s(latent.num_frames, request.frame_rate),
            "audio": shapes.audio_intervals_s(request.audio_tokens),
        },
        "tokenizer": {
            "ids": tokenizer.get_vocab(),
            "length": tokenizer.model_max_length,
            "pad": tokenizer.pad_token_id,
            "begin": tokenizer.bos_token_id,
            "unknown": tokenizer.unk_token_id,
        },
        "words": {name: list(getattr(vocabulary, name)) for name in ("objects", "colours", "backgrounds", "silence")}
        | {name: {k: list(v) for k, v in getattr(vocabulary, name).items()} for name in ("motions", "sounds")},
        "prompts": list(PROMPTS),
    }


def _request(session: Session) -> ClipRequest:
    """The model's usual clip, of a prompt that is still to be given."""
    model = session.model
    return ClipRequest(
        PROMPTS[0], model=model.name, seed=0, width=model.width, height=model.height, num_frames=model.num_frames
    )
