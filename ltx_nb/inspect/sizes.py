"""How much smaller latents are than what they stand for: values, tokens and bytes of both lanes. Knows no tensors."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import prod

from ltx_nb.inspect.inputs import check_request
from ltx_nb.request import ClipRequest

VIDEO_CHANNELS = 128
AUDIO_CHANNELS, MEL_ROWS = 8, 16
BYTES_PER_LATENT = 2  # bf16
OUTPUT_RATE_HZ = 48_000
BYTES_PER_SAMPLE = 2  # 16-bit PCM


@dataclass(frozen=True)
class LaneCompression:
    """One lane. `raw` is uint8 RGB pixels, or 16-bit stereo samples at 48 kHz; `latents` are bf16."""

    lane: str
    raw_shape: tuple[int, ...]
    raw_values: int
    raw_bytes: int
    latent_shape: tuple[int, ...]
    latent_values: int
    latent_bytes: int
    tokens: int

    @property
    def value_ratio(self) -> float:
        return self.raw_values / self.latent_values

    @property
    def byte_ratio(self) -> float:
        return self.raw_bytes / self.latent_bytes

    def cells(self) -> dict[str, str]:
        """The row as text, by column."""
        return {
            "lane": self.lane,
            "raw": " x ".join(map(str, self.raw_shape)),
            "raw MB": f"{self.raw_bytes / 1e6:.3f}",
            "latents": " x ".join(map(str, self.latent_shape)),
            "latent MB": f"{self.latent_bytes / 1e6:.3f}",
            "tokens": f"{self.tokens:,}",
            "values": f"{self.value_ratio:.1f} : 1",
            "bytes": f"{self.byte_ratio:.1f} : 1",
        }


@dataclass(frozen=True)
class Compression:
    """A row for each lane; prints as a table, and shows as one in a notebook."""

    rows: tuple[LaneCompression, ...]

    def __str__(self) -> str:
        table = [list(self.rows[0].cells()), *(list(row.cells().values()) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join("  ".join(map(str.rjust, line, widths)) for line in table)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.rows[0].cells())
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row.cells().values())}</tr>" for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def compression(request: ClipRequest) -> Compression:
    """Pixels and samples of a request against its latents and tokens. Raises ValueError for what is no ClipRequest."""
    check_request(request)
    video, audio = request.video_latent_shape, request.audio_latent_shape
    pixels = (request.num_frames, request.height, request.width, 3)
    samples = (2, round(request.duration_s * OUTPUT_RATE_HZ))
    return Compression(
        (
            _lane("video", pixels, 1, (VIDEO_CHANNELS, video.num_frames, video.height, video.width), video.tokens),
            _lane("audio", samples, BYTES_PER_SAMPLE, (AUDIO_CHANNELS, audio.num_latents, MEL_ROWS), audio.tokens),
        )
    )


def _lane(lane: str, raw: tuple[int, ...], bytes_each: int, latent: tuple[int, ...], tokens: int) -> LaneCompression:
    raw_values, latent_values = prod(raw), prod(latent)
    return LaneCompression(
        lane, raw, raw_values, raw_values * bytes_each, latent, latent_values, latent_values * BYTES_PER_LATENT, tokens
    )
