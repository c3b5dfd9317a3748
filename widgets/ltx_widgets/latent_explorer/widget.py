"""LatentExplorer: frames with the grid of latents over them; one latent is picked and everything about it shown.

What is shown is worked out in `details`; what needs the model, the footprint, by functions of the caller's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from PIL import Image, ImageDraw

from ltx_nb.checks import keys
from ltx_nb.clip import Clip
from ltx_nb.inspect.colour import pca_rgb
from ltx_nb.inspect.inputs import check_latents
from ltx_nb.shapes import VIDEO_SPATIAL_COMPRESSION, VIDEO_TEMPORAL_COMPRESSION
from ltx_widgets.base import KitWidget
from ltx_widgets.latent_explorer import details, references

if TYPE_CHECKING:
    from ltx_nb.inspect.attention import AttentionMaps
    from ltx_nb.inspect.footprint import AudioFootprint, CellFootprint

FRAME_SIDE_PX = 640  # of the frames that are sent, at most
_STILL_SIDE_PX = 384


class LatentExplorer(KitWidget):
    """Explores the latents of a clip that a session made.

    clip: with latents of both lanes; its trace, if it has one, gives each latent's history.
    attention: what `capture_attention` captured of the run; with the kind "reference", that to references, too.
    capture(): begins to capture it, by making the clip again, and calls `show_attention` when it is there.
    cell_footprint(t, y, x) and audio_footprint(t): functions that disturb one latent and decode, such as
    `ltx_nb.inspect.cell_footprint` of a session; called when asked for.

    Raises ValueError for a clip without latents, and attention that is of another size.
    """

    _name = "latent_explorer"

    picked = traitlets.Dict().tag(sync=True)
    """The latent: {"lane": "video", "t", "y", "x"} or {"lane": "audio", "t"}, indices from 0."""

    grid = traitlets.Dict().tag(sync=True)
    """{frames, rows, columns} of video latents, how many audio latents ({sounds}) and {references}, frame_rate in
    frames/s."""

    can = traitlets.Dict().tag(sync=True)
    """Which views there are: {video_footprint, audio_footprint, attention, capture, pictures}, each True or False, and
    {references}: to how many of them attention was captured."""

    def __init__(
        self,
        clip: Clip,
        *,
        attention: AttentionMaps | None = None,
        cell_footprint: Callable[[int, int, int], CellFootprint] | None = None,
        audio_footprint: Callable[[int], AudioFootprint] | None = None,
        capture: Callable[[], Any] | None = None,
        **traits: Any,
    ) -> None:
        if not isinstance(clip, Clip):
            raise ValueError(f"clip is a {type(clip).__name__}; give a Clip, such as session.run(...)")
        if clip.latents is None or clip.audio_latents is None:
            raise ValueError("this clip keeps no latents; give one as a session makes it, not as it is loaded")
        self._clip = clip
        self._footprints: dict[str, Callable[..., Any] | None] = {"video": cell_footprint, "audio": audio_footprint}
        self._latents = {
            "video": check_latents(clip.latents),
            "audio": check_latents(clip.audio_latents, "audio_latents"),
        }
        frames, rows, columns = self._latents["video"].shape[1:]
        self._sizes = {"video": (frames, rows, columns), "audio": self._latents["audio"].shape[1:2]}
        self._capture = capture
        self._rows: dict[str, np.ndarray] = {}
        self._words: list[tuple[int, str]] = []
        self._text_positions = 0
        self._reference_parts: list[slice] = []
        if attention is not None:
            self._take_attention(attention)
        traits.setdefault("picked", {"lane": "video", "t": frames // 2, "y": rows // 2, "x": columns // 2})
        super().__init__(
            grid={
                "frames": frames,
                "rows": rows,
                "columns": columns,
                "sounds": self._sizes["audio"][0],
                "frame_rate": clip.frame_rate or (clip.request.frame_rate if clip.request else 24.0),
                "references": 0 if clip.request is None else len(clip.request.references),
            },
            can={
                "pictures": clip.frames is not None,
                "attention": bool(self._rows),
                "references": len(self._reference_parts),
                "capture": capture is not None,
                "video_footprint": cell_footprint is not None,
                "audio_footprint": audio_footprint is not None,
            },
            **traits,
        )

    def show_attention(self, maps: AttentionMaps) -> None:
        """Show what was captured of the run that made the clip. Raises ValueError for maps of another size."""
        self._take_attention(maps)
        self.can = {**self.can, "attention": True, "references": len(self._reference_parts)}
        self._send_references()
        self._send_details()

    def _take_attention(self, maps: AttentionMaps) -> None:
        rows, sizes = details.captured_rows(maps), self._sizes["video"]
        if tuple(maps.grid.video_shape) != sizes:
            raise ValueError(
                f"attention is of {list(maps.grid.video_shape)} cells, the clip has {list(sizes)}; "
                "capture the run that made the clip"
            )
        self._rows, self._text_positions = rows, maps.text_positions
        self._reference_parts = references.parts_of(maps, self._clip.request)
        if self._clip.request is not None:
            self._words = details.word_positions(maps.tokenizer, self._clip.request.prompt)

    def __repr__(self) -> str:
        sizes = f"{' x '.join(map(str, self._sizes['video']))} video latents, {self._sizes['audio'][0]} audio latents"
        where = ", ".join(f"{axis} {self.picked[axis]}" for axis in details.AXES[self.picked["lane"]])
        return f"LatentExplorer({sizes}; {self.picked['lane']} latent {where})"

    @traitlets.validate("picked")
    def _checked_picked(self, proposal: Any) -> dict[str, Any]:
        return details.check_place(proposal["value"], self._sizes)

    @traitlets.observe("picked")
    def _send_details(self, change: Any = None) -> None:
        place = self.picked
        latents = self._latents[place["lane"]]
        steps, history = details.history_of(self._clip.trace, place, latents)
        sizes = self._sizes["video"]
        attention = details.attention_of(self._rows, sizes, self._sizes["audio"][0], place)
        words = details.words_of(self._rows, sizes, place, self._words, self._text_positions)
        looked_at = references.attention_to(self._rows, self._reference_parts, sizes, place)
        arrays = [details.channels_of(latents, place), history, *attention.values(), *(it for it, _ in looked_at)]
        content = {"picked": place, "steps": steps, "attention": list(attention), "words": words}
        self.send_bytes(
            "details",
            content | {"references": [share for _, share in looked_at]},
            [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays],
        )

    def _on_ready(self) -> None:
        for lane, latents in self._latents.items():
            spread = np.concatenate(details.channel_spread(latents)).astype("<f4")
            colours = np.rint(255 * pca_rgb(latents).rgb).astype(np.uint8)
            self.send_bytes("colours", {"lane": lane, "shape": colours.shape}, [colours.tobytes(), spread.tobytes()])
        if self._clip.frames is not None:
            pictures = [_jpeg(self._middle_frame(t)) for t in range(self._sizes["video"][0])]
            self.send_bytes("pictures", {"media_type": "image/jpeg"}, pictures)
        self._send_references()
        self._send_details()

    def _send_references(self) -> None:
        """Send the pictures of each reference that attention was captured to."""
        request = self._clip.request
        for index in range(len(self._reference_parts)):
            assert request is not None  # or there were none
            pictures = references.pictures_of(request, request.references[index])
            factor = request.reference_downscale_factor or 1
            shape = [
                len(pictures),
                request.height // factor // VIDEO_SPATIAL_COMPRESSION,
                request.width // factor // VIDEO_SPATIAL_COMPRESSION,
            ]
            sent = [_jpeg(_small(Image.fromarray(picture))) for picture in pictures]
            self.send_bytes("reference", {"index": index, "shape": shape, "media_type": "image/jpeg"}, sent)

    def _on_message(self, kind: str, content: dict[str, Any], buffers: list[bytes]) -> None:
        if kind == "pick":
            keys("pick", content, ("type", "picked"), required=("picked",))
            self.picked = details.check_place(content["picked"], self._sizes)
        elif kind == "footprint":
            keys("footprint", content, ("type", "picked"), required=("picked",))
            self._send_footprint(details.check_place(content["picked"], self._sizes))
        elif kind == "capture":
            keys("capture", content, ("type",))
            if self._capture is None:
                raise ValueError("nobody captures attention; give LatentExplorer attention=... or capture=...")
            self._capture()
        else:
            super()._on_message(kind, content, buffers)

    def _send_footprint(self, place: details.Place) -> None:
        lane = place["lane"]
        function = self._footprints[lane]
        if function is None:
            name = "cell_footprint" if lane == "video" else "audio_footprint"
            raise ValueError(f"no footprint without the model; give {name}=... when the explorer is made")
        found = function(*(place[axis] for axis in details.AXES[lane]))
        if lane == "video":
            levels, most = details.cell_pictures(found.change, self._sizes["video"][0])
        else:
            levels, most = details.mel_picture(found.mel_change_db)
        meta = {"picked": place, "shape": levels.shape, "most": most, "own_share": found.own_share}
        self.send_bytes("footprint", meta, [levels.tobytes()])

    def _middle_frame(self, t: int) -> Image.Image:
        """The frame in the middle of those that a latent frame holds."""
        index = max(VIDEO_TEMPORAL_COMPRESSION * t - VIDEO_TEMPORAL_COMPRESSION // 2 + 1, 0)
        return _small(Image.fromarray(self._clip.frames[index]))

    def _still(self) -> bytes | None:
        """The picked latent's frame with the grid over it."""
        if self._clip.frames is None:
            return None
        place = self.picked if self.picked["lane"] == "video" else {"t": 0}
        _, rows, columns = self._sizes["video"]
        image = self._middle_frame(place["t"])
        scale = _STILL_SIDE_PX / max(rows, columns)
        image = image.resize((round(columns * scale), round(rows * scale)), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(image)
        for x in range(1, columns):
            draw.line([(x * scale, 0), (x * scale, image.height)], "#8c8c8c")
        for y in range(1, rows):
            draw.line([(0, y * scale), (image.width, y * scale)], "#8c8c8c")
        if "x" in place:
            left, top = place["x"] * scale, place["y"] * scale
            draw.rectangle([left, top, left + scale, top + scale], outline="#ffd400", width=3)
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()


def _small(image: Image.Image) -> Image.Image:
    image.thumbnail((FRAME_SIDE_PX, FRAME_SIDE_PX))
    return image


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue()
