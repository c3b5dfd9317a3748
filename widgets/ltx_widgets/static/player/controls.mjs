// The player's buttons: transport, span to loop and to be made anew, speed, sound, full screen.

import { button, h } from "../lib/dom.mjs";
import { icon } from "../lib/icons.mjs";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

export function createControls(disposer, { togglePlay, stepBy, setSpanEnd, chooseSpan, goFull, save, model, desk }) {
  const play = button("Play (space)", { icon: icon("play"), primary: true });
  const previous = button("Previous frame (left arrow)", { icon: icon("previous") });
  const next = button("Next frame (right arrow)", { icon: icon("next") });
  const loop = button("Loop", { icon: icon("loop"), pressed: model.get("loop") });
  const from = button("In");
  const to = button("Out");
  const clear = button("Clear the span (Escape)", { icon: icon("close") });
  const retake = button("Retake this span");
  const span = h("span", { class: "ltx-number player-span-text" });
  const mute = button("Mute (M)", { icon: icon("sound") });
  const full = button("Full screen (F)", { icon: icon("full") });
  const speed = h(
    "select",
    { "aria-label": "Speed", title: "Speed; J and L shuttle" },
    SPEEDS.map((value) => h("option", { value }, `${value}×`)),
  );
  const time = h("span");
  const length = h("span", { class: "player-length" });
  const place = h("span");
  let wasPlaying = false;
  for (const [control, title] of [
    [loop, "Play the span, or all, again and again (R)"],
    [from, "Begin the span at the playhead (I)"],
    [to, "End the span at the playhead (O)"],
    [retake, "Make what is between In and Out anew, and keep the rest"],
  ]) {
    control.title = title;
  }
  disposer.listen(play, "click", togglePlay);
  disposer.listen(previous, "click", () => stepBy(-1));
  disposer.listen(next, "click", () => stepBy(1));
  disposer.listen(loop, "click", () => save({ loop: !model.get("loop") }));
  disposer.listen(from, "click", () => setSpanEnd("in"));
  disposer.listen(to, "click", () => setSpanEnd("out"));
  disposer.listen(clear, "click", () => chooseSpan([]));
  disposer.listen(retake, "click", () =>
    desk.afterEdits(() => model.send({ type: "retake", span_s: model.get("span_s") })),
  );
  disposer.listen(mute, "click", () => save({ muted: !model.get("muted") }));
  disposer.listen(full, "click", goFull);
  disposer.listen(speed, "change", () => save({ speed: Number(speed.value) }));
  const renamed = (control, label, picture) => {
    control.replaceChildren(icon(picture));
    control.setAttribute("aria-label", label);
    control.title = label;
  };
  return {
    play,
    loop,
    speed,
    time,
    length,
    place,
    row: h(
      "div",
      { class: "player-transport", role: "group", "aria-label": "Transport" },
      h("div", { class: "player-group" }, previous, play, next, h("span", { class: "ltx-number player-time" }, time, length)),
      h(
        "div",
        { class: "player-group player-span-tools", role: "group", "aria-label": "Span" },
        loop,
        h("div", { class: "ltx-segments" }, from, to),
        span,
        clear,
        retake,
      ),
      h("div", { class: "player-group" }, speed, mute, full),
    ),
    showPlaying(isPlaying) {
      if (isPlaying === wasPlaying) return;
      wasPlaying = isPlaying;
      renamed(play, isPlaying ? "Pause (space)" : "Play (space)", isPlaying ? "pause" : "play");
    },
    showMuted: (isMuted) => renamed(mute, isMuted ? "Unmute (M)" : "Mute (M)", isMuted ? "muted" : "sound"),
    showSpan(span_s) {
      // What is not there yet keeps its room, so that nothing moves when it comes.
      clear.style.visibility = span_s.length ? "" : "hidden";
      retake.hidden = !model.get("can_retake");
      retake.disabled = !span_s.length || model.get("clips").length !== 1;
      span.textContent = span_s.length ? `${span_s[0].toFixed(2)}–${span_s[1].toFixed(2)} s` : "no span";
    },
  };
}
