"""to_comfyui(): a request as a ComfyUI workflow in the form that its server takes ("API format").

Text and image to video, keyframes, two stages, sound given whole, LoRAs. What has no node is refused by name. Nodes:
ComfyUI's comfy_extras/nodes_lt.py, nodes_lt_audio.py, nodes_custom_sampler.py, nodes_video.py and, for guidance of both
lanes, ComfyUI-LTXVideo's guiders/.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ltx_nb.catalogue.models import DISTILLED, UPSCALERS, Model
from ltx_nb.request import ClipRequest
from ltx_nb.sampling import UNGUIDED, Sampling
from ltx_nb.stages import before_upscaling, stages_of
from ltx_nb.whole_files import whole_file

CHECKPOINT = "ltx-2.3-22b-distilled-1.1.safetensors"
TEXT_ENCODER = "comfy_gemma_3_12B_it.safetensors"


def to_comfyui(
    request: ClipRequest,
    path: str | os.PathLike[str],
    *,
    model: Model = DISTILLED,
    checkpoint: str = CHECKPOINT,
    text_encoder: str = TEXT_ENCODER,
    upscaler: str | None = None,
    loras: Sequence[tuple[str, float]] = (),
) -> list[Path]:
    """Write the request as a workflow; return that path, and those of the given files, which lie beside it.

    path: a .json file. model: whose settings stand for what the request leaves open. checkpoint, text_encoder,
    upscaler, loras: names of files in ComfyUI's models folders. Copy the given files into ComfyUI's `input` folder.

    Raises ValueError for what ComfyUI has no node for, naming it.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise ValueError(f"{path.name} is no workflow's name; nearest: {path.with_suffix('.json').name}")
    _check(request)
    graph = _Graph(request, model, path)
    graph.build(checkpoint, text_encoder, upscaler or UPSCALERS[request.upscaler].file, loras)
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(graph.nodes, indent=2) + "\n", encoding="utf-8")
    return [path, *graph.files]


def _check(request: ClipRequest) -> None:
    """Raise ValueError for what no node makes."""
    refused = []
    for item in request.given:
        is_whole = item.start_s == 0 and item.end_s is not None and item.end_s >= request.duration_s - 1e-6
        if item.lane == "video" and not item.is_image:
            refused.append("given frames (extend, retake, foley)")
        if item.lane == "audio" and not is_whole:
            refused.append("sound that is given for a part of the clip")
    if request.first_stage is not None:
        refused.append("a clip to refine (first_stage)")
    if request.references or request.reference_sounds:
        refused.append("references")
    if request.timed_prompts:
        refused.append("timed_prompts")
    if max(request.sampling.nag_scale or 1, request.sampling.audio_nag_scale or 1) > 1:
        refused.append("normalized attention guidance (nag_scale)")
    if request.upscaling.time != 1:
        refused.append(f"two frame rates (upscaler={request.upscaler!r})")
    if request.outputs != ("video", "audio"):
        refused.append(f"outputs={request.outputs}")
    if refused:
        raise ValueError(f"ComfyUI has no node for {', '.join(dict.fromkeys(refused))}; leave it out, or run it here")


class _Graph:
    def __init__(self, request: ClipRequest, model: Model, path: Path):
        self.request = request
        self.model = model
        self.path = path
        self.nodes: dict[str, dict[str, Any]] = {}
        self.files: list[Path] = []

    def add(self, node_type: str, **inputs: Any) -> str:
        """Add a node and return its id."""
        name = str(len(self.nodes) + 1)
        self.nodes[name] = {"class_type": node_type, "inputs": inputs}
        return name

    def build(self, checkpoint: str, text_encoder: str, upscaler: str, loras: Sequence[tuple[str, float]]) -> None:
        request = self.request
        loader = self.add("CheckpointLoaderSimple", ckpt_name=checkpoint)
        self.vae = [loader, 2]
        self.audio_vae = [self.add("LTXVAudioVAELoader", ckpt_name=checkpoint), 0]
        model = [loader, 0]
        for name, strength in loras:
            model = [self.add("LoraLoaderModelOnly", model=model, lora_name=name, strength_model=strength), 0]
        clip = [
            self.add("LTXAVTextEncoderLoader", text_encoder=text_encoder, ckpt_name=checkpoint, device="default"),
            0,
        ]
        negative = self.model.negative_prompt if request.negative_prompt is None else request.negative_prompt
        texts = [[self.add("CLIPTextEncode", clip=clip, text=text), 0] for text in (request.prompt, negative)]
        conditioning = self.add("LTXVConditioning", positive=texts[0], negative=texts[1], frame_rate=request.frame_rate)
        stages = stages_of(self.model, request)
        first = before_upscaling(request) if request.two_stage else request
        empty = self.add(
            "EmptyLTXVLatentVideo", width=first.width, height=first.height, length=request.num_frames, batch_size=1
        )
        made = self._sampled(stages[0].sampling, 1, model, conditioning, [empty, 0], self._sound())
        if len(stages) == 2:
            upscale_model = [self.add("LatentUpscaleModelLoader", model_name=upscaler), 0]
            video = self.add("LTXVLatentUpsampler", samples=[made, 0], upscale_model=upscale_model, vae=self.vae)
            made = self._sampled(stages[1].sampling, 2, model, conditioning, [video, 0], [made, 1])
        images = [self.add("VAEDecode", samples=[made, 0], vae=self.vae), 0]
        sound = [self.add("LTXVAudioVAEDecode", samples=[made, 1], audio_vae=self.audio_vae), 0]
        clip_made = [self.add("CreateVideo", images=images, audio=sound, fps=request.frame_rate), 0]
        self.add("SaveVideo", video=clip_made, filename_prefix=self.path.stem, format="auto", codec="auto")

    def _sound(self) -> list[Any]:
        """Empty audio latents, or those of the given sound, which nothing is generated of."""
        given = [item for item in self.request.given if item.lane == "audio"]
        if not given:
            frame_rate = round(self.request.frame_rate)
            frames = self.request.num_frames
            name = self.add(
                "LTXVEmptyLatentAudio",
                frames_number=frames,
                frame_rate=frame_rate,
                batch_size=1,
                audio_vae=self.audio_vae,
            )
            return [name, 0]
        audio = [self.add("LoadAudio", audio=self._file(given[0].source, ".wav")), 0]
        encoded = [self.add("LTXVAudioVAEEncode", audio=audio, audio_vae=self.audio_vae), 0]
        mask = [self.add("SolidMask", value=0.0, width=self.request.width, height=self.request.height), 0]
        return [self.add("SetLatentNoiseMask", samples=encoded, mask=mask), 0]

    def _sampled(
        self, sampling: Sampling, stage: int, model: list[Any], conditioning: str, video: list[Any], audio: list[Any]
    ) -> str:
        """Add a sampler with all it needs; return the node whose outputs are video and audio latents."""
        positive, negative = [conditioning, 0], [conditioning, 1]
        guides = False
        for item in self.request.given:
            if item.lane != "video":
                continue
            picture = [self.add("LoadImage", image=self._file(item.source, ".png")), 0]
            if self.model.image_crf:
                picture = [self.add("LTXVPreprocess", image=picture, img_compression=self.model.image_crf), 0]
            frame = item.frame_index(self.request.frame_rate)
            if frame == 0 and not item.is_appended:
                given = self.add(
                    "LTXVImgToVideoInplace",
                    vae=self.vae,
                    image=picture,
                    latent=video,
                    strength=item.strength,
                    bypass=False,
                )
                video = [given, 0]
            else:
                guide = self.add(
                    "LTXVAddGuide",
                    positive=positive,
                    negative=negative,
                    vae=self.vae,
                    latent=video,
                    image=picture,
                    frame_idx=frame,
                    strength=item.strength,
                )
                positive, negative, video, guides = [guide, 0], [guide, 1], [guide, 2], True
        both = [self.add("LTXVConcatAVLatent", video_latent=video, audio_latent=audio), 0]
        sampler = self.add(
            "SamplerCustomAdvanced",
            noise=[self.add("RandomNoise", noise_seed=self.request.seed + stage - 1), 0],
            guider=[self._guider(sampling, model, positive, negative), 0],
            sampler=[self.add("KSamplerSelect", sampler_name="euler"), 0],
            sigmas=[self._sigmas(sampling), 0],
            latent_image=both,
        )
        apart = self.add("LTXVSeparateAVLatent", av_latent=[sampler, 0])
        if not guides:
            return apart
        # Guides are extra frames at the end of the latents; they go before anything is decoded or enlarged.
        cropped = self.add("LTXVCropGuides", positive=positive, negative=negative, latent=[apart, 0])
        joined = self.add("LTXVConcatAVLatent", video_latent=[cropped, 2], audio_latent=[apart, 1])
        return self.add("LTXVSeparateAVLatent", av_latent=[joined, 0])

    def _sigmas(self, sampling: Sampling) -> str:
        return self.add("ManualSigmas", sigmas=", ".join(f"{sigma:.6g}" for sigma in (*sampling.sigmas, 0.0)))

    def _guider(self, sampling: Sampling, model: list[Any], positive: list[Any], negative: list[Any]) -> str:
        lanes = {
            lane: {
                "cfg": getattr(sampling, f"{prefix}guidance_scale"),
                "stg": getattr(sampling, f"{prefix}stg_scale"),
                "rescale": getattr(sampling, f"{prefix}guidance_rescale"),
                "modality_scale": getattr(sampling, f"{prefix}modality_scale"),
            }
            for lane, prefix in (("AUDIO", "audio_"), ("VIDEO", ""))
        }
        if sampling == sampling_without_guidance(sampling):
            return self.add("CFGGuider", model=model, positive=positive, negative=negative, cfg=1.0)
        parameters = None
        for lane, settings in lanes.items():
            more = {} if parameters is None else {"parameters": parameters}
            fixed = {"perturb_attn": True, "skip_step": 0, "cross_attn": True}
            parameters = [self.add("GuiderParameters", modality=lane, **settings, **fixed, **more), 0]
        blocks = ", ".join(map(str, sampling.spatio_temporal_guidance_blocks or ()))
        return self.add(
            "MultimodalGuider",
            model=model,
            positive=positive,
            negative=negative,
            parameters=parameters,
            skip_blocks=blocks,
        )

    def _file(self, source: Any, suffix: str) -> str:
        """Write a given medium beside the workflow, as it is where it is a file; return its name."""
        kind = source.media_type or ""
        ending = {"image/jpeg": ".jpg", "image/webp": ".webp", "audio/mpeg": ".mp3", "audio/flac": ".flac"}.get(kind)
        if source.path is not None:
            ending = Path(source.path).suffix
        name = f"{self.path.stem}-{source.sha256[:8]}{ending or suffix}"
        target = self.path.with_name(name)
        if target not in self.files:
            with source.open() as content, whole_file(target) as unfinished:
                unfinished.write_bytes(content.read())
            self.files.append(target)
        return name


def sampling_without_guidance(sampling: Sampling) -> Sampling:
    """The same steps with every guidance at its neutral value."""
    own = {"num_inference_steps": sampling.num_inference_steps, "sigmas": sampling.sigmas}
    own["spatio_temporal_guidance_blocks"] = sampling.spatio_temporal_guidance_blocks
    return Sampling(**UNGUIDED.to_dict() | {name: value for name, value in own.items() if value is not None})
