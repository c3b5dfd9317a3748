// The player's buttons: transport, span to loop, speed, sound, and which of two clips is seen and heard.

import { button, field, h } from "../lib/dom.mjs";
import { icon } from "../lib/icons.mjs";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

export function createControls(disposer, { togglePlay, stepBy, setSpanEnd, save, model }) {
  const play = button("Play (space)", { icon: icon("play"), primary: true });
  const previous = button("Previous frame (left arrow)", { icon: icon("previous") });
  const next = button("Next frame (right arrow)", { icon: icon("next") });
  const loop = button("Loop", { pressed: model.get("loop") });
  const from = button("In");
  const to = button("Out");
  const clear = button("Clear the span (Escape)", { icon: icon("close") });
  const span = h("span", { class: "ltx-number" });
  const mute = button("Mute (M)", { icon: icon("sound") });
  const speed = h(
    "select",
    { "aria-label": "Speed" },
    SPEEDS.map((value) => h("option", { value }, `${value}×`)),
  );
  const time = h("span", { class: "ltx-number player-time" });
  const place = h("span");
  let wasPlaying = false;
  for (const [control, title] of [
    [loop, "Play the span, or all, again and again (L)"],
    [from, "Begin the span at the playhead (I)"],
    [to, "End the span at the playhead (O)"],
  ]) {
    control.title = title;
  }
  disposer.listen(play, "click", togglePlay);
  disposer.listen(previous, "click", () => stepBy(-1));
  disposer.listen(next, "click", () => stepBy(1));
  disposer.listen(loop, "click", () => save({ loop: !model.get("loop") }));
  disposer.listen(from, "click", () => setSpanEnd("in"));
  disposer.listen(to, "click", () => setSpanEnd("out"));
  disposer.listen(clear, "click", () => save({ span_s: [] }));
  disposer.listen(mute, "click", () => save({ muted: !model.get("muted") }));
  disposer.listen(speed, "change", () => save({ speed: Number(speed.value) }));

  const labels = model.get("labels");
  const choices = {
    shown: [["both", "Both"], ["a", labels[0]], ["b", labels[1]]],
    heard: [["a", labels[0]], ["b", labels[1]]],
  };
  const groups = Object.fromEntries(
    Object.entries(choices).map(([name, options]) => [
      name,
      options.map(([value, label]) => [value, button(label, { pressed: false })]),
    ]),
  );
  for (const [name, options] of Object.entries(groups)) {
    for (const [value, control] of options) {
      const also = name === "shown" && value !== "both" ? { heard: value } : {};
      disposer.listen(control, "click", () => save({ [name]: value, ...also }));
    }
  }
  const group = (name, label) =>
    h(
      "div",
      { class: "ltx-row", role: "group", "aria-label": label },
      h("span", { class: "ltx-label" }, label),
      groups[name].map(([, control]) => control),
    );
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
    place,
    row: h(
      "div",
      { class: "ltx-row", role: "group", "aria-label": "Transport" },
      previous,
      play,
      next,
      time,
      h("span", { class: "ltx-space" }),
      h("div", { class: "ltx-row player-span-tools", role: "group", "aria-label": "Span to loop" }, loop, from, to, span, clear),
      field("Speed", speed),
      mute,
    ),
    sides: h("div", { class: "ltx-row player-sides" }, group("shown", "See"), group("heard", "Hear")),
    showPlaying(isPlaying) {
      if (isPlaying === wasPlaying) return;
      wasPlaying = isPlaying;
      renamed(play, isPlaying ? "Pause (space)" : "Play (space)", isPlaying ? "pause" : "play");
    },
    showMuted: (isMuted) => renamed(mute, isMuted ? "Unmute (M)" : "Mute (M)", isMuted ? "muted" : "sound"),
    showSpan(span_s) {
      clear.hidden = !span_s.length;
      span.textContent = span_s.length ? `${span_s[0].toFixed(2)}–${span_s[1].toFixed(2)} s` : "";
    },
    choose(name, chosen) {
      for (const [value, control] of groups[name]) control.setAttribute("aria-pressed", String(value === chosen));
    },
  };
}
