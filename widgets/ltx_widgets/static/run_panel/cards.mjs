// The clips as cards: first what waits and what is being made, then what was made, the newest first. Cards are kept by id,
// so that a new clip moves neither the focus nor what it is on.

import { bytesOf, newId } from "../lib/bytes.mjs";
import { button, h, takeKey } from "../lib/dom.mjs";
import { createDesk } from "../lib/desk.mjs";
import { icon } from "../lib/icons.mjs";
import { createLiveView } from "../lib/live_view.mjs";
import { createMenuPopover, menuItem } from "../lib/popover.mjs";
import { createClipCard } from "./clip_card.mjs";

const CLIP_TYPE = "application/x-ltx-clip";
const FORMATS = { mp4: "MP4", gif: "GIF", wav: "WAV", png: "PNG" };

export function createCards(disposer, model, root) {
  const strip = h("div", { class: "run-panel-cards", role: "group", "aria-label": "Clips", tabindex: 0 });
  const none = h("p", { class: "run-panel-none ltx-muted" }, "Clips appear here as they are made.");
  const desk = createDesk(disposer, root);
  const running = createRunningCard(disposer, model);
  const waiting = h("div", { class: "run-panel-waiting" });
  const cards = new Map();
  const pictures = new Map();
  const view = newId();
  const send = (type, id, details = {}) => model.send({ type, id, ...details });
  const resultOf = (id) => model.get("results").find((result) => result.id === id);
  const menu = createMenu(disposer, {
    reload: (id) => send("reload", id),
    rename: (id) => cards.get(id).rename(resultOf(id).name),
    exportAs: (id, suffix) => send("export", id, { suffix, view }),
    remove: (id) => send("delete", id),
  });

  const choose = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const acts = {
    select: (id) => choose({ selected: id, compared: -1 }),
    compare: (id) => choose({ compared: model.get("compared") === id ? -1 : id }),
    star: (id) => send("change", id, { starred: !resultOf(id).starred }),
    more: (id) => menu.beginFor(resultOf(id)),
    take: (id) => send("take", id),
    drop: (id) => send("drop", id),
    ...Object.fromEntries(["give", "retake", "extend"].map((use) => [use, (id) => desk.afterEdits(() => send(use, id))])),
  };
  const idOf = (target) => Number(target.closest("[data-id]")?.dataset.id);
  disposer.listen(strip, "click", ({ target }) => {
    const control = target.closest("[data-act]");
    if (control && !control.disabled) acts[control.dataset.act](idOf(control));
  });
  disposer.listen(strip, "dragstart", ({ target, dataTransfer }) => {
    const id = idOf(target);
    dataTransfer.setData(CLIP_TYPE, String(id));
    dataTransfer.setData("text/plain", resultOf(id).name);
    dataTransfer.effectAllowed = "copy";
    desk.tell("carry", { id, duration_s: resultOf(id).duration_s });
  });
  disposer.listen(strip, "dragend", () => desk.tell("carry", { id: null }));
  const endRename = (field, isKept) => {
    const id = idOf(field);
    if (field.hidden || !cards.has(id)) return;
    const name = cards.get(id).rename(null);
    if (isKept && name && name !== resultOf(id).name) send("change", id, { name });
  };
  disposer.listen(strip, "keydown", (event) => {
    if (!event.target.matches(".run-panel-rename") || (event.key !== "Enter" && event.key !== "Escape")) return;
    takeKey(event);
    endRename(event.target, event.key === "Enter");
    cards.get(idOf(event.target))?.focus();
  });
  disposer.listen(strip, "focusout", ({ target }) => target.matches(".run-panel-rename") && endRename(target, true));

  const markChosen = () => {
    const [selected, compared] = [model.get("selected"), model.get("compared")];
    for (const [id, card] of cards) {
      card.mark({ isSelected: id === selected, isCompared: id === compared, hasOther: selected >= 0 });
    }
  };
  const forget = (id) => {
    if (pictures.has(id)) URL.revokeObjectURL(pictures.get(id));
    pictures.delete(id);
    cards.get(id)?.element.remove();
    cards.delete(id);
  };
  const update = () => {
    const results = model.get("results");
    for (const id of [...cards.keys()]) if (!resultOf(id)) forget(id);
    for (const result of results) {
      if (!cards.has(result.id)) {
        cards.set(result.id, createClipCard(result.id, model.get("uses"), menu.element));
        waiting.after(cards.get(result.id).element);
        if (pictures.has(result.id)) cards.get(result.id).setPicture(pictures.get(result.id));
      }
      cards.get(result.id).fill(result);
    }
    markChosen();
    showNone();
  };
  const updateWaiting = () => {
    waiting.replaceChildren(
      ...model.get("queue").map(({ id, name, title, is_left }) => {
        const remove = button(`Remove ${name} from the queue`, { icon: icon("close") });
        remove.dataset.act = "drop";
        const take = button(`Run ${name}, which was left waiting`, { icon: icon("play") });
        take.dataset.act = "take";
        return h(
          "div",
          { class: "run-panel-card run-panel-to-come", title, "data-id": id },
          h("div", { class: "run-panel-thumb" }, is_left ? "left waiting" : "waits"),
          h("span", { class: "run-panel-name" }, name),
          h("div", { class: "run-panel-tools" }, ...(is_left ? [take] : []), remove),
        );
      }),
    );
    showNone();
  };
  const showNone = () => {
    none.hidden = cards.size > 0 || waiting.children.length > 0 || model.get("state") !== "idle";
  };
  strip.append(none, running, waiting, menu.element);
  disposer.onMessage(model, "thumbnail", ({ id }, [jpeg]) => {
    if (pictures.has(id)) return;
    pictures.set(id, URL.createObjectURL(new Blob([bytesOf(jpeg)], { type: "image/jpeg" })));
    cards.get(id)?.setPicture(pictures.get(id));
  });
  disposer.onMessage(model, "export", ({ name, media_type, view: asked }, [content]) => {
    if (asked !== view) return; // another view's
    const url = URL.createObjectURL(new Blob([bytesOf(content)], { type: media_type }));
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  });
  desk.hear("drop", ({ id, time_s }) => send("give", id, { time_s }));
  disposer.onChange(model, "results", update);
  disposer.onChange(model, "queue", updateWaiting);
  for (const name of ["selected", "compared"]) disposer.onChange(model, name, markChosen);
  disposer.onChange(model, "state", showNone);
  disposer.add(() => [...pictures.keys(), ...cards.keys()].forEach(forget));
  update();
  updateWaiting();
  return strip;
}

// The menu of all cards; beginFor(result) says whose it is now.
function createMenu(disposer, { reload, rename, exportAs, remove }) {
  let id = null;
  const item = (label, act) => menuItem(disposer, label, () => act(id));
  const load = item("Load its request", reload);
  const deletion = item("Delete", remove);
  const saves = Object.entries(FORMATS).map(([suffix, label]) => item(`Save ${label}`, (of) => exportAs(of, suffix)));
  const content = [load, item("Rename", rename), h("hr", {}), saves, h("hr", {}), deletion];
  const element = createMenuPopover(disposer, content.flat(), "More of this clip");
  return {
    element,
    beginFor(result) {
      id = result.id;
      load.hidden = result.seed === null;
    },
  };
}

// The clip that is being made, with what the run predicts, where nobody else shows it.
function createRunningCard(disposer, model) {
  const live = createLiveView(disposer, () => thumb.classList.toggle("run-panel-live", live.isShown));
  const thumb = h("div", { class: "run-panel-thumb" }, live.picture, live.sound);
  const card = h(
    "div",
    { class: "run-panel-card run-panel-to-come" },
    thumb,
    h("span", { class: "run-panel-name" }, "being made"),
    h("div", { class: "run-panel-tools" }),
  );
  const update = () => {
    card.hidden = model.get("state") === "idle";
    if (card.hidden) live.clear();
  };
  disposer.onMessage(model, "preview", (facts, buffers) => model.get("state") !== "idle" && live.show(facts, buffers));
  disposer.onChange(model, "state", update);
  update();
  return card;
}
