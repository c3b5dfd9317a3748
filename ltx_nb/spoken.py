"""Spoken words as a waveform, by a program or a small model that is on this machine: what `audio_to_video` can follow.

An engine is a function of text and voice; four are known by name, and any other can be given. None of them downloads
anything: where files are missing, the error names them and where they go. Knows no model of this kit.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ltx_nb.checks import choice, finite_number, text

# (text, voice) to samples float32 [N] in -1..1 and their rate in Hz.
Engine = Callable[[str, str], tuple[np.ndarray, int]]

# What each known engine speaks with where no voice is asked for.
VOICES = {"espeak-ng": "en-us", "kittentts": "expr-voice-5-f", "kokoro-onnx": "af_heart", "supertonic": "M1"}
NOISE_SEED = 0
_VOICE = re.compile(r"[\w+-]+")
_ESPEAK_TIMEOUT_S = 60


def speech(
    words: str,
    *,
    voice: str | None = None,
    engine: str | Engine = "espeak-ng",
    folder: str | os.PathLike[str] | None = None,
    room_noise_dbfs: float | None = None,
) -> tuple[np.ndarray, int]:
    """Return the words as sound: float32 [2, N] in -1..1, the same on both sides, and its rate in Hz.

    voice: a name of the engine's, its usual one if left out. engine: "espeak-ng", a program; "kittentts", "kokoro-onnx"
    or "supertonic", small models of the extra [speech]; or a function of (words, voice) that returns samples [N] and
    their rate. folder: where an engine's files lie; without it, where its own package or the hub's cache has them.
    room_noise_dbfs: level of soft noise under the whole, such as -50, other on either side: users of LTX-2.3 found that
    speech without any leaves a picture still.

    Raises ValueError for no words, a voice or engine that there is not, and files that are missing, with their names;
    RuntimeError where the program or the package is not installed, or fails.
    """
    if not text("words", words).strip():
        raise ValueError("words is empty; give a sentence")
    if callable(engine):
        speak, usual = engine, ""
    else:
        usual = VOICES[choice("engine", engine, VOICES)]
        speak = _espeak if engine == "espeak-ng" else _packaged(engine, folder)
    samples, rate = speak(words, usual if voice is None else text("voice", voice))
    mono = np.asarray(samples, np.float32).squeeze()
    if mono.ndim != 1 or not mono.size or not np.isfinite(mono).all():
        raise ValueError(f"the engine gave samples of shape {mono.shape}; want float [N], one side, all finite")
    wave = np.stack([mono, mono])
    if room_noise_dbfs is not None:
        wave = wave + room_noise(wave.shape[1], finite_number("room_noise_dbfs", room_noise_dbfs, most=0))
    return wave.clip(-1, 1).astype(np.float32), int(rate)


def room_noise(num_samples: int, level_dbfs: float) -> np.ndarray:
    """Pink noise, float32 [2, num_samples] of that RMS on each side: as much power in every octave, as a room's."""
    spectrum = np.fft.rfft(np.random.default_rng(NOISE_SEED).normal(size=(2, num_samples)))
    spectrum[:, 0] = 0
    spectrum[:, 1:] /= np.sqrt(np.arange(1, spectrum.shape[1]))
    noise = np.fft.irfft(spectrum, num_samples)
    return (noise / np.sqrt(np.mean(noise**2)) * 10 ** (level_dbfs / 20)).astype(np.float32)


def _espeak(words: str, voice: str) -> tuple[np.ndarray, int]:
    """Run the program espeak-ng, which makes speech by rule and needs no weights."""
    import soundfile

    program = shutil.which("espeak-ng")
    if program is None:
        raise RuntimeError(
            "espeak-ng is not on PATH; install it (Debian and Ubuntu: apt install espeak-ng; macOS: brew install "
            "espeak-ng), or give engine='kittentts', 'kokoro-onnx', 'supertonic' or a function of your own"
        )
    if not _VOICE.fullmatch(voice):
        raise ValueError(f"voice={voice!r} is no name of a voice; nearest: 'en-us'; espeak-ng --voices lists them")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "spoken.wav"
        command = [program, "-v", voice, "-w", str(path), "--stdin"]
        ran = subprocess.run(command, input=words.encode(), capture_output=True, timeout=_ESPEAK_TIMEOUT_S, check=False)
        if ran.returncode or not path.is_file():
            told = ran.stderr.decode(errors="replace").strip()
            raise ValueError(f"espeak-ng did not speak with voice={voice!r}: {told}; espeak-ng --voices lists them")
        return soundfile.read(path, dtype="float32")


def _kittentts(files: list[Path]) -> Engine:
    import espeakng_loader
    from kittentts import KittenTTS
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    # The package brings espeak-ng's library for its phonemes along, and would look for the system's.
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    model = KittenTTS(*map(str, files))
    return lambda words, voice: (model.generate(words, choice("voice", voice, model.available_voices)), 24_000)


def _kokoro(files: list[Path]) -> Engine:
    from kokoro_onnx import Kokoro

    model = Kokoro(*map(str, files))
    return lambda words, voice: model.create(words, choice("voice", voice, model.get_voices()))


def _supertonic(files: list[Path]) -> Engine:
    from supertonic import TTS

    model = TTS(model_dir=files[0].parents[1], auto_download=False)

    def speak(words: str, voice: str) -> tuple[np.ndarray, int]:
        style = model.get_voice_style(choice("voice", voice, model.voice_style_names))
        return model.synthesize(words, style)[0], model.sample_rate

    return speak


class _Package(NamedTuple):
    """An engine of the extra [speech]. names: its files, in one folder. source: where they are published."""

    load: Callable[[list[Path]], Engine]
    names: tuple[str, ...]
    source: str
    usual_folder: str | None = None


_PACKAGES = {
    "kittentts": _Package(
        _kittentts, ("kitten_tts_nano_v0_1.onnx", "voices.npz"), "KittenML/kitten-tts-nano-0.1 on the hub"
    ),
    "kokoro-onnx": _Package(
        _kokoro,
        ("kokoro-v1.0.onnx", "voices-v1.0.bin"),
        "the releases of github.com/thewh1teagle/kokoro-onnx, model-files-v1.1",
        ".",
    ),
    "supertonic": _Package(
        _supertonic,
        (
            "onnx/tts.json",
            "onnx/unicode_indexer.json",
            "onnx/duration_predictor.onnx",
            "onnx/text_encoder.onnx",
            "onnx/vector_estimator.onnx",
            "onnx/vocoder.onnx",
            f"voice_styles/{VOICES['supertonic']}.json",
        ),
        "Supertone/supertonic-3 on the hub",
        "~/.cache/supertonic3",
    ),
}


def _packaged(name: str, folder: str | os.PathLike[str] | None) -> Engine:
    package = _PACKAGES[name]
    files = [_file_of(package, one, folder) for one in package.names]
    missing = [one for one, file in zip(package.names, files, strict=True) if file is None or not file.is_file()]
    if missing:
        where = folder or package.usual_folder or "a folder"
        raise ValueError(
            f"engine={name!r} needs {', '.join(missing)} in {os.fspath(where)}, and nothing is downloaded unasked; get "
            f"them from {package.source} and give folder=..., or use engine='espeak-ng', which needs none"
        )
    try:
        return package.load([file for file in files if file is not None])
    except ImportError as error:
        raise RuntimeError(
            f"engine={name!r} needs the package {name} ({error}); nearest: pip install 'ltx-nb[speech]'"
        ) from None


def _file_of(package: _Package, name: str, folder: str | os.PathLike[str] | None) -> Path | None:
    """One file in the folder, or without one where the engine's own package would keep it."""
    if folder is not None or package.usual_folder is not None:
        return Path(folder or package.usual_folder).expanduser() / name
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(package.source.split()[0], name)
    return Path(found) if isinstance(found, str) else None
