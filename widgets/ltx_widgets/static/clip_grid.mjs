// Clips of a sweep in a grid: a row a prompt, a column a seed. All play in step; the one that was clicked is heard.

import { bytesOf } from "./lib/bytes.mjs";
import { nextPlace } from "./clip_grid/places.mjs";
import { button, createDisposer, h, showError, takeKey, widgetRoot } from "./lib/dom.mjs";
import { icon } from "./lib/icons.mjs";
import { watchKernel } from "./lib/kernel.mjs";
import { secondsText } from "./lib/time.mjs";
import { createScreens } from "./player/screens.mjs";

function render({ model, el }) {
  const disposer = createDisposer();
  const root = widgetRoot(el, "clip-grid", "Grid of clips");
  root.classList.add("ltx-stack");
  const rows = h("div", { class: "clip-grid-rows" });
  const under = h("div", { class: "ltx-row" });
  const told = h("p", { class: "ltx-muted clip-grid-told", role: "status" });
  root.append(rows, under, told, showError(disposer, model));
  watchKernel(disposer, model, root);
  let view = null;
  const rebuild = () => {
    view?.dispose();
    view = model.get("cells").length ? createGrid(model, { root, rows, under, told }) : null;
  };
  disposer.onChange(model, "cells", rebuild);
  disposer.onMessage(model, "picture", ({ id }, [picture]) => view?.takePicture(id, bytesOf(picture)));
  disposer.onMessage(model, "file", ({ id, media_type }, [file]) => view?.takeFile(id, bytesOf(file), media_type));
  disposer.add(() => view?.dispose());
  rebuild();
  model.send({ type: "ready" });
  return () => {
    disposer.dispose();
    root.remove();
  };
}

// Everything that belongs to the clips that are there now.
function createGrid(model, { root, rows, under, told }) {
  const disposer = createDisposer();
  const cells = model.get("cells");
  const labels = model.get("labels");
  const clips = cells.filter(({ error }) => error === null);
  const duration_s = Math.max(0, ...clips.map((clip) => clip.duration_s));
  const loaded = new Set();
  let time_s = 0;

  const play = button("Play all in step (K)", { icon: icon("play"), primary: true });
  const loop = button("Loop", { icon: icon("loop"), pressed: true });
  const mute = button("Mute (M)", { icon: icon("sound") });
  const moment = h("input", { type: "range", min: 0, max: duration_s, step: 0.01, value: 0, "aria-label": "Moment" });
  const clock = h("span", { class: "ltx-number" });
  play.disabled = true;

  const screens = clips.length ? createScreens(disposer, clips, { onTime, onLoaded, onUnplayable, onEnded }) : null;
  const buttons = cells.map((cell, index) => {
    const name = `${cell.name}: ${labels[cell.row]}`;
    const open = h("button", { type: "button", class: "clip-grid-open", "aria-label": name, title: name, "data-index": index });
    return open;
  });
  rows.style.setProperty("--columns", 1 + Math.max(...cells.map(({ column }) => column)));
  rows.replaceChildren(
    ...labels.map((label, row) =>
      h(
        "div",
        { role: "group", "aria-label": label, class: "clip-grid-row" },
        h("p", { class: "clip-grid-label", title: label }, h("span", {}, label)),
        h("div", { class: "clip-grid-cells" }, ...cells.map((cell, index) => (cell.row === row ? drawn(cell, index) : null))),
      ),
    ),
  );
  under.replaceChildren(play, loop, mute, moment, clock);

  function drawn(cell, index) {
    const screen = cell.error === null ? screens.elements[clips.indexOf(cell)] : null;
    const inside = screen ?? h("p", { class: "clip-grid-failed" }, cell.error);
    if (screen && !cell.has_video) screen.append(h("p", { class: "clip-grid-failed" }, "sound alone"));
    return h(
      "div",
      { class: "clip-grid-cell", style: `grid-column: ${cell.column + 1}; --aspect: ${cell.aspect ?? 1.5}` },
      inside,
      h("span", { class: "clip-grid-name ltx-number", "aria-hidden": "true" }, cell.name),
      buttons[index],
    );
  }

  function onTime(now_s, isPlaying) {
    time_s = now_s;
    moment.value = now_s;
    moment.setAttribute("aria-valuetext", secondsText(now_s));
    clock.textContent = `${secondsText(now_s)} of ${secondsText(duration_s)}`;
    const label = isPlaying ? "Pause (K)" : "Play all in step (K)";
    if (play.title === label) return;
    play.replaceChildren(icon(isPlaying ? "pause" : "play"));
    play.title = play.ariaLabel = label;
  }
  function onLoaded() {
    play.disabled = false;
    say();
  }
  function onUnplayable(index) {
    model.send({ type: "want", id: clips[index].id, aac: false });
  }
  function onEnded() {
    if (!model.get("loop")) return screens.pause();
    screens.seek(0);
    screens.play();
  }
  function togglePlay() {
    if (!screens?.isLoaded) return;
    if (screens.isPlaying) return screens.pause();
    if (time_s >= duration_s - 0.02) screens.seek(0);
    screens.play();
  }
  function wantNext() {
    const next = clips.find(({ id }) => !loaded.has(id));
    if (next) model.send({ type: "want", id: next.id, aac: true });
  }
  function say() {
    const cell = cells[model.get("selected")];
    const failed = cells.length - clips.length;
    const count = [`${cells.length} ${cells.length === 1 ? "clip" : "clips"}`, failed && `${failed} failed`].filter(Boolean);
    if (clips.length && !screens.isLoaded) told.textContent = `${loaded.size} of ${clips.length} clips are here`;
    else if (!cell) told.textContent = `${count.join(", ")}. Click one to hear it${model.get("takes_requests") ? " and to load its request" : ""}.`;
    else told.textContent = `${model.get("takes_requests") ? "Loaded the request of" : "Selected:"} ${cell.name}, ${labels[cell.row]}`;
  }
  const showings = {
    selected: () => {
      buttons.forEach((open, index) => open.setAttribute("aria-pressed", String(index === model.get("selected"))));
      showings.muted();
      say();
    },
    loop: () => loop.setAttribute("aria-pressed", String(model.get("loop"))),
    muted: () => {
      const heard = clips.indexOf(cells[model.get("selected")]);
      screens?.setHeard(model.get("muted") || heard < 0 ? null : heard);
      mute.replaceChildren(icon(model.get("muted") ? "muted" : "sound"));
      mute.title = mute.ariaLabel = model.get("muted") ? "Unmute (M)" : "Mute (M)";
    },
  };
  const toggle = (name) => {
    model.set(name, !model.get(name));
    model.save_changes();
  };
  for (const [name, show] of Object.entries(showings)) {
    disposer.onChange(model, name, show);
    show();
  }
  onTime(0, false);
  disposer.listen(play, "click", togglePlay);
  disposer.listen(loop, "click", () => toggle("loop"));
  disposer.listen(mute, "click", () => toggle("muted"));
  disposer.listen(moment, "input", () => {
    if (screens?.isPlaying) screens.pause();
    screens?.seek(Number(moment.value));
  });
  disposer.listen(rows, "click", ({ target }) => {
    const index = target.closest(".clip-grid-open")?.dataset.index;
    if (index !== undefined) model.send({ type: "take", index: Number(index) });
  });
  disposer.listen(root, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = event.target.dataset?.index;
    const to = from === undefined ? null : nextPlace(cells, Number(from), event.key);
    const act = { k: togglePlay, m: () => toggle("muted") }[event.key.toLowerCase()] ?? (to === null ? null : () => buttons[to].focus());
    if (!act) return;
    takeKey(event);
    act();
  });
  wantNext();

  const indexOf = (id) => clips.findIndex((clip) => clip.id === id);
  return {
    takePicture(id, picture) {
      if (indexOf(id) >= 0 && picture.length) screens.setFirst(indexOf(id), picture);
    },
    takeFile(id, content, mediaType) {
      if (indexOf(id) < 0) return;
      loaded.add(id);
      screens.setFile(indexOf(id), content, mediaType);
      say();
      wantNext();
    },
    dispose: () => disposer.dispose(),
  };
}

export default { render };
