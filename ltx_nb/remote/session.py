"""RemoteSession: the verbs of a service, each quoted, agreed, ordered once, waited for, and verified when it came."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ltx_nb.checks import choice, finite_number, text
from ltx_nb.clip import Clip
from ltx_nb.pipeline.sources import picture_source, sound_source
from ltx_nb.remote import uploads
from ltx_nb.remote.exchange import Exchange, Patience, RemoteError
from ltx_nb.remote.jobs import JOBS, Jobs, State
from ltx_nb.remote.quote import NotAgreed, Quote
from ltx_nb.remote.rules import LEAST_S, MOST_S, check_readable, clip_to_edit, made_fields, refuse_others, task_of
from ltx_nb.remote.services import named_service
from ltx_nb.trace import Cancelled

MOST_CONTEXT_FRAMES = 505  # of an extension with what it looks at of the clip, which is billed too


class RemoteSession:
    """A model of a service, as `load("fal:ltx-2.3/fast")` gives it: those of a Session's verbs that the service has.

    Every verb takes yes=True, which agrees to price and payload; without it NotAgreed tells them and nothing is sent.
    A clip from a service cannot be made again bit for bit: there is no seed. The key is read from the environment when
    something is sent.
    """

    def __init__(self, name: str, patience: Patience | None = None):
        self.service = named_service(name)
        self.patience = patience or Patience()
        self._cancel = threading.Event()

    def __repr__(self) -> str:
        return f"RemoteSession({self.service.name!r})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "service":
            raise AttributeError(name)
        raise AttributeError(f"{self.service.name} has no {name}; it has {', '.join(self.service.verbs)}")

    def text_to_video(
        self,
        prompt: str,
        *,
        seconds: float = 6,
        size: str = "1080p",
        frame_rate: float = 25,
        yes: bool = False,
        progress: bool = True,
        **others: Any,
    ) -> Clip:
        """A clip with sound from words. seconds, size and frame_rate: such as the service makes; others are refused.

        Raises NotAgreed without yes=True, ValueError for what the service cannot do, RemoteError where it fails,
        Cancelled after `cancel()` or Ctrl-C.
        """
        fields = self._fields("text_to_video", prompt, seconds, size, frame_rate, others)
        return self._run("text_to_video", fields, fields["duration"], size, yes, progress)

    def image_to_video(
        self,
        prompt: str,
        image: Any,
        *,
        seconds: float = 6,
        size: str = "1080p",
        frame_rate: float = 25,
        yes: bool = False,
        progress: bool = True,
        **others: Any,
    ) -> Clip:
        """A clip that begins with a picture. Else as `text_to_video`."""
        fields = self._fields("image_to_video", prompt, seconds, size, frame_rate, others)
        fields["image"] = uploads.picture(picture_source(image))
        return self._run("image_to_video", fields, fields["duration"], size, yes, progress)

    def keyframes_to_video(
        self,
        prompt: str,
        keyframes: Mapping[float, Any],
        *,
        seconds: float = 6,
        size: str = "1080p",
        frame_rate: float = 25,
        yes: bool = False,
        progress: bool = True,
        **others: Any,
    ) -> Clip:
        """A clip from a first picture to a last: {0.0: first, -1: last}; other times are refused."""
        if not isinstance(keyframes, Mapping) or set(keyframes) != {0, -1}:
            raise ValueError(
                f"{self.service.name} takes pictures at the begin and the end alone: {{0.0: first, -1: last}}"
            )
        fields = self._fields("keyframes_to_video", prompt, seconds, size, frame_rate, others)
        fields["image"] = uploads.picture(picture_source(keyframes[0]))
        fields["last_image"] = uploads.picture(picture_source(keyframes[-1]))
        return self._run("keyframes_to_video", fields, fields["duration"], size, yes, progress)

    def audio_to_video(
        self,
        prompt: str,
        audio: Any,
        sample_rate: int | None = None,
        image: Any = None,
        *,
        yes: bool = False,
        progress: bool = True,
        **others: Any,
    ) -> Clip:
        """Pictures to a sound of 2 to 20 s, as long as it is, in 1080p."""
        refuse_others(self.service, "audio_to_video", others)
        source = sound_source(audio, sample_rate)
        seconds = finite_number("the sound's length in s", source.info().audio_duration_s, LEAST_S, MOST_S)
        fields = {"prompt": text("prompt", prompt), "audio": uploads.sound(source)}
        if image is not None:
            fields["image"] = uploads.picture(picture_source(image))
        return self._run("audio_to_video", fields, seconds, "1080p", yes, progress)

    def extend(
        self,
        clip: Any,
        seconds: float,
        direction: str = "after",
        prompt: str | None = None,
        *,
        yes: bool = False,
        progress: bool = True,
        **others: Any,
    ) -> Clip:
        """The clip with 2 to 20 s more "after" or "before" it, all of it encoded anew by the service."""
        refuse_others(self.service, "extend", others)
        choice("direction", direction, ("after", "before"))
        seconds = finite_number("seconds", seconds, LEAST_S, MOST_S)
        source, length_s, rate = clip_to_edit(clip)
        info = source.info()
        check_readable(info.width or 0, info.height or 0, (length_s + seconds) * rate)
        fields: dict[str, Any] = {"video": uploads.video(source), "duration": seconds}
        fields["side"] = "end" if direction == "after" else "start"
        if prompt is not None:
            fields["prompt"] = text("prompt", prompt)
        looked_at_s = min(length_s, MOST_S, max(MOST_CONTEXT_FRAMES / rate - seconds, 0))
        return self._run("extend", fields, seconds + looked_at_s, "1080p", yes, progress)

    def retake(
        self,
        clip: Any,
        start: float,
        end: float,
        prompt: str,
        video: bool = True,
        audio: bool = True,
        *,
        yes: bool = False,
        progress: bool = True,
        **others: Any,
    ) -> Clip:
        """The clip with [start, end) s, 2 s at least, made anew on the lanes named; billed by its whole length."""
        refuse_others(self.service, "retake", others)
        source, length_s, _ = clip_to_edit(clip)
        start, end = finite_number("start", start, least=0), finite_number("end", end, most=length_s)
        if end - start < LEAST_S:
            raise ValueError(f"[{start:g}, {end:g}) s is under {LEAST_S} s; nearest: end={start + LEAST_S:g}")
        if not (video or audio):
            raise ValueError("video=False and audio=False leave nothing to make anew; make one of them True")
        lanes = "_and_".join(lane for lane, anew in (("audio", audio), ("video", video)) if anew)
        fields = {
            "video": uploads.video(source),
            "prompt": text("prompt", prompt),
            "start_time": start,
            "duration": end - start,
            "lanes": f"replace_{lanes}",
        }
        return self._run("retake", fields, length_s, "1080p", yes, progress)

    def cancel(self) -> None:
        """End what is being waited for, from any thread; that call raises Cancelled."""
        self._cancel.set()

    def collect(self, verb: str, request_id: str, progress: bool = True) -> Clip:
        """Wait for, and fetch, a clip that was ordered before, by the id that was told; services keep it for a day."""
        endpoint = self.service.endpoints[task_of(self.service, verb)]
        self._cancel.clear()
        return self._waited_for(endpoint, request_id, progress, f"request {request_id}")

    def _fields(
        self, verb: str, prompt: str, seconds: float, size: str, frame_rate: float, others: Mapping[str, Any]
    ) -> dict[str, Any]:
        refuse_others(self.service, verb, others)
        return made_fields(self.service, prompt, seconds, size, frame_rate)

    def _quote(self, verb: str, fields: Mapping[str, Any], seconds: float, size: str) -> Quote:
        """Tell what the fields of a call cost, with the names that the service has for them."""
        task = task_of(self.service, verb)
        usd, source, read = self.service.price(task, size)
        payload = {self.service.words.get(name, name): value for name, value in fields.items()}
        return Quote(
            self.service.name,
            self.service.endpoints[task],
            {**payload, **self.service.fields},
            seconds,
            usd,
            source,
            read,
        )

    def _run(self, verb: str, fields: Mapping[str, Any], seconds: float, size: str, yes: bool, progress: bool) -> Clip:
        quote = self._quote(verb, fields, seconds, size)
        if yes is not True:
            raise NotAgreed(quote)
        print(quote, file=sys.stderr)
        self._cancel.clear()
        jobs = self._jobs()
        try:
            sent = {name: jobs.upload(file) for name, file in quote.uploads.items()}
        except KeyboardInterrupt:
            raise Cancelled("cancelled before anything was ordered", None) from None
        try:
            request_id = jobs.submit(quote.endpoint, {**quote.payload, **sent})
        except KeyboardInterrupt:
            raise Cancelled(
                f"cancelled while it was ordered; {self.service.console} shows whether it was", None
            ) from None
        how = f"for about ${quote.usd:.2f}, request {request_id}"
        try:
            return self._waited_for(quote.endpoint, request_id, progress, how, quote)
        except RemoteError as error:
            again = f"session.collect({verb!r}, {request_id!r})"
            raise RemoteError(
                f"{error}. It was ordered; {again} asks for it again without paying", error.status
            ) from None

    def _waited_for(self, endpoint: str, request_id: str, progress: bool, how: str, quote: Quote | None = None) -> Clip:
        jobs = self._jobs()
        try:
            with tqdm(
                desc=f"{self.service.name}: ordered", bar_format="{desc} [{elapsed}]", disable=not progress
            ) as bar:
                url = self._made_url(jobs, endpoint, request_id, bar)
                bar.set_description_str(f"{self.service.name}: fetching")
                return self._fetched(url, endpoint, how, quote)
        except KeyboardInterrupt:
            raise Cancelled(self._taken_back(jobs, endpoint, request_id), None) from None

    def _made_url(self, jobs: Jobs, endpoint: str, request_id: str, bar: Any) -> str:
        until_s = time.monotonic() + self.patience.job_s
        while True:
            state: State = jobs.state(endpoint, request_id)
            bar.set_description_str(f"{self.service.name}: {state.words}")
            if state.video_url is not None:
                return state.video_url
            if time.monotonic() > until_s:
                raise RemoteError(f"{self.service.name} did not make it within {self.patience.job_s:g} s")
            if self._cancel.wait(self.patience.poll_s):
                raise KeyboardInterrupt

    def _taken_back(self, jobs: Jobs, endpoint: str, request_id: str) -> str:
        """Cancel a job, and say what became of it."""
        if not jobs.can_cancel:
            return f"not waited for any more; {self.service.name} cannot take request {request_id} back, and bills it"
        self._cancel.clear()
        try:
            jobs.cancel(endpoint, request_id)
        except RemoteError as error:
            return f"not waited for any more; request {request_id} may go on and be billed: {error}"
        return f"cancelled; {self.service.name} was told to take request {request_id} back"

    def _fetched(self, url: str, endpoint: str, how: str, quote: Quote | None) -> Clip:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            self._exchange().download(url, path)
            try:
                clip = Clip.load(path)
            except ValueError as error:
                raise RemoteError(f"what came is no clip that can be read: {error}") from None
        if clip.frames is None:
            raise RemoteError("what came has no picture")
        note = f"made by {self.service.name} ({endpoint}) {how}, on {date.today()}; it cannot be made again bit for bit"
        asked = () if quote is None else (f"asked for: {quote.to_dict()['payload']}",)
        # What it says of itself is not ours to believe.
        return replace(clip, request=None, provenance={}, notes=(note, *asked))

    def _jobs(self) -> Jobs:
        return JOBS[self.service.kind](self._exchange())

    def _exchange(self) -> Exchange:
        return Exchange(self.service.host, self.service.key, self.service.scheme, self.patience, self._cancel)
