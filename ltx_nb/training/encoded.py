"""Encode a dataset once: latents of picture and sound, embeddings of the caption, kept in a folder.

Media are read and fitted as given media of a request are. Safe to interrupt: a clip's file is written whole or not at
all, and what is there is not made again. Knows no loss and no LoRA.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.modular_pipelines import PipelineState
from safetensors import SafetensorError, safe_open
from tqdm.auto import tqdm

from ltx_nb import media
from ltx_nb.pipeline.conditions import Conditions, conditions_of
from ltx_nb.pipeline.encode import encode_audio, encode_video
from ltx_nb.pipeline.prepare import pack_audio, pack_video
from ltx_nb.pipeline.prompt_cache import fingerprint
from ltx_nb.pipeline.session import Session
from ltx_nb.pipeline.tasks import with_references
from ltx_nb.request import ClipRequest, Given, Source
from ltx_nb.shapes import VIDEO_TEMPORAL_COMPRESSION, audio_num_latents
from ltx_nb.training.dataset import Example
from ltx_nb.training.flow import LatentClip
from ltx_nb.training.lora_file import save_whole

# What the transformer calls a caption's embeddings, by the names under which the pipeline's text blocks put them out.
TEXT = {
    "connector_prompt_embeds": "encoder_hidden_states",
    "connector_audio_prompt_embeds": "audio_encoder_hidden_states",
    "connector_attention_mask": "encoder_attention_mask",
}
SEVERAL = ("references", "reference_sounds")  # of a LatentClip, tensors each
PLAIN = ("latent_shape", "frame_rate", "reference_shapes", "reference_downscale_factor")  # of a LatentClip, as JSON


def encode_dataset(
    session: Session,
    examples: Sequence[Example],
    folder: str | os.PathLike[str],
    *,
    width: int,
    height: int,
    num_frames: int,
    frame_rate: float,
    trigger: str = "",
    needs_sound: bool = True,
    reference_downscale_factor: int = 1,
    progress: bool = True,
) -> list[LatentClip]:
    """Return the examples as the model sees them, from `folder` where they were encoded before.

    width, height: in pixels, multiples of 32, to which pictures are cropped. num_frames: 8k + 1, the most that is taken
    of a clip; a shorter one gives the largest 8k + 1 that it has. trigger: a word put before every caption.
    reference_downscale_factor: by how much smaller than the clips references are encoded.

    Raises ValueError for a clip that cannot be used, with its number and name.
    """
    folder = Path(folder)
    pipe = session.pipe
    made_by = fingerprint([pipe.vae, pipe.audio_vae, pipe.text_encoder, pipe.connectors])
    found = []
    for number, example in enumerate(tqdm(examples, desc="encoding", disable=not progress), start=1):
        caption = f"{trigger} {example.caption}" if trigger else example.caption
        key = {"caption": caption, "size": [width, height, num_frames, frame_rate], "made_by": made_by}
        key |= {"files": [_digest(file) for file in (example.video, example.audio) if file is not None]}
        if example.references:
            key |= {"references": [*map(_digest, example.references), reference_downscale_factor]}
        path = folder / f"{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()}.safetensors"
        clip = _read(path)
        if clip is None:
            try:
                request = _request(example, caption, width, height, num_frames, frame_rate, needs_sound)
                if example.references:
                    request = request.replace(reference_downscale_factor=reference_downscale_factor)
                    request = with_references(request, example.references)
                clip = _encoded(session, request)
            except ValueError as error:
                raise ValueError(f"clip {number}, {example.video.name}: {error}") from None
            _write(path, clip)
        found.append(clip)
    return found


def _request(
    example: Example, caption: str, width: int, height: int, num_frames: int, frame_rate: float, needs_sound: bool
) -> ClipRequest:
    """The example as a request that is given all of it."""
    info = media.probe(example.video)
    if not info.has_video:
        raise ValueError("it has no picture; `video` names a video file")
    lasts_s = info.num_frames / info.frame_rate if info.frame_rate else 0.0
    usable = (round(lasts_s * frame_rate) - 1) // VIDEO_TEMPORAL_COMPRESSION * VIDEO_TEMPORAL_COMPRESSION + 1
    if usable < VIDEO_TEMPORAL_COMPRESSION + 1:
        raise ValueError(
            f"its picture lasts {lasts_s:.3g} s; {VIDEO_TEMPORAL_COMPRESSION + 1} frames at {frame_rate:g}/s are needed"
        )
    frames = min(num_frames, usable)
    sound = example.audio or example.video
    has_sound = example.audio is not None or info.has_audio
    if needs_sound and not has_sound:
        raise ValueError('it has no sound; name a sound file in the column `audio`, or train lanes=("video",)')
    duration_s = frames / frame_rate
    given = [Given("video", Source.from_path(example.video), 0.0, duration_s)]
    if has_sound:
        given.append(Given("audio", Source.from_path(sound), 0.0, duration_s))
    return ClipRequest(
        caption, width=width, height=height, num_frames=frames, frame_rate=frame_rate, given=tuple(given)
    )


@torch.no_grad()
def _encoded(session: Session, request: ClipRequest) -> LatentClip:
    pipe = session.pipe
    found = conditions_of(request, session.sample_rate, image_crf=0)
    num_latents = audio_num_latents(request.duration_s)
    waveform = torch.zeros(2, round(request.duration_s * session.sample_rate))
    if found.waveform is not None:
        waveform = torch.from_numpy(found.waveform)
    device = pipe._execution_device
    video = pack_video(encode_video(pipe, torch.from_numpy(found.frames), device=device))[0]
    audio = pack_audio(encode_audio(pipe, waveform, session.sample_rate, num_latents, device))[0]
    shape = request.video_latent_shape
    return LatentClip(
        video.float().cpu(),
        audio.float().cpu(),
        (shape.num_frames, shape.height, shape.width),
        request.frame_rate,
        _text(session, request.prompt),
        **_references(session, request, found),
    )


def _references(session: Session, request: ClipRequest, found: Conditions) -> dict[str, Any]:
    """Return the fields of a LatentClip that tell its references."""
    pipe, rate = session.pipe, session.sample_rate
    device = pipe._execution_device
    pictures = [encode_video(pipe, torch.from_numpy(frames), device=device) for frames, _ in found.references]
    sounds = [
        encode_audio(pipe, torch.from_numpy(samples), rate, audio_num_latents(samples.shape[1] / rate), device)
        for samples, _ in found.reference_sounds
    ]
    return {
        "references": tuple(pack_video(latents)[0].float().cpu() for latents in pictures),
        "reference_shapes": tuple(tuple(latents.shape[2:]) for latents in pictures),
        "reference_downscale_factor": request.reference_downscale_factor or 1,
        "reference_sounds": tuple(pack_audio(latents)[0].float().cpu() for latents in sounds),
    }


def _text(session: Session, caption: str) -> dict[str, torch.Tensor]:
    state = PipelineState()
    for name, value in session.text_inputs(ClipRequest(caption)).items():
        state.set(name, value)
    _, state = session.pipe.blocks.sub_blocks["text"](session.pipe, state)
    return {theirs: state.get(name).cpu() for name, theirs in TEXT.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, clip: LatentClip) -> None:
    tensors = {"video": clip.video, "audio": clip.audio, **{f"text.{name}": it for name, it in clip.text.items()}}
    for name in SEVERAL:
        tensors |= {f"{name}.{index}": tokens for index, tokens in enumerate(getattr(clip, name))}
    about = {name: json.dumps(getattr(clip, name)) for name in PLAIN}
    save_whole(path, tensors, about)


def _read(path: Path) -> LatentClip | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except SafetensorError:  # cut short by a full disk, say: made anew
        return None
    text = {name.removeprefix("text."): tensor for name, tensor in tensors.items() if name.startswith("text.")}
    values = {name: json.loads(about[name]) for name in PLAIN if name in about}
    values["latent_shape"] = tuple(values["latent_shape"])
    values["reference_shapes"] = tuple(map(tuple, values["reference_shapes"]))
    for name in SEVERAL:
        count = sum(key.startswith(f"{name}.") for key in tensors)
        values[name] = tuple(tensors[f"{name}.{index}"] for index in range(count))
    return LatentClip(tensors["video"], tensors["audio"], text=text, **values)
