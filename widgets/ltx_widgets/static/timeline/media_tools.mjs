// Where media come from: sources at hand, files chosen or dropped; and the tasks that start from one.
import { uploadFile } from "../lib/bytes.mjs";
import { button, field, h } from "../lib/dom.mjs";
import { secondsText } from "../lib/time.mjs";
import { cutBy, landing, withImage, withUnit } from "./edits.mjs";
import { LANES, sourceLength_s } from "./draft.mjs";
import { withReference } from "./references.mjs";
import { STARTS, hasWhat } from "./starts.mjs";

const ACCEPTED = { video: "video/*", audio: "audio/*,video/*", any: "image/*,video/*,audio/*" };

function isPicture(source) {
  return !source.frame_rate && source.num_frames > 0;
}

// {lane: seconds} of what moves and sounds in a source.
export function lengthsOf(source) {
  return Object.fromEntries(LANES.map((lane) => [lane, sourceLength_s(source, lane)]).filter(([, length_s]) => length_s));
}

// Put a source at a time: a picture as an image, what moves and sounds as one unit, over what is there.
export function inserted(draft, source, time_s, snap) {
  if (isPicture(source)) return withImage(draft, source.sha256, time_s);
  return withUnit(draft, source.sha256, lengthsOf(source), time_s, snap);
}

// Where a source would land, {lane, start_s, end_s} each; [] for a picture, which takes one frame.
export function landingOf(draft, source, time_s, snap) {
  return isPicture(source) ? [] : landing(draft, lengthsOf(source), time_s, snap);
}

// "lands at 0.38 s on both lanes; cuts 0.50 s of picture and 0.50 s of sound that are given"
export function landingText(draft, spans) {
  if (!spans.length) return "";
  const cut = cutBy(draft, spans);
  const lost = [
    cut.video > 0 && `${secondsText(cut.video)} of picture`,
    cut.audio > 0 && `${secondsText(cut.audio)} of sound`,
    cut.images > 0 && `${cut.images} image${cut.images > 1 ? "s" : ""}`,
  ].filter(Boolean);
  const lanes = spans.length > 1 ? "both lanes" : `the ${spans[0].lane} lane`;
  const where = `lands at ${secondsText(spans[0].start_s, 0.001)} on ${lanes}`;
  return lost.length ? `${where}; cuts ${lost.join(" and ")} that ${lost.length > 1 ? "are" : "is"} given` : where;
}

// sources: by SHA-256. The chosen one is what starts and "Insert" use; without a fitting one they ask for a file.
// ghost(spans): show where something would land; say(text): what has happened. retakeSpan_s(): what Retake frees, [] for
// its own choice.
export function createMediaTools(model, editor, sources, disposer, { ghost, say, retakeSpan_s }) {
  const select = h("select", {});
  const progress = h("progress", { class: "ltx-timeline-progress", "aria-label": "Upload", max: 1, hidden: true });
  const input = h("input", { type: "file", class: "ltx-visually-hidden", tabindex: -1, "aria-hidden": "true" });
  const view = `${Date.now()}-${Math.random()}`;
  let purpose = null;
  let listed = null;

  const chosen = () => sources.get(model.get("source")) ?? null;
  function choose(sha256) {
    if (model.get("source") === sha256) return;
    model.set("source", sha256);
    model.save_changes();
  }

  function use(wanted, source) {
    const start = STARTS.find(({ name }) => name === wanted.start);
    editor.select(null);
    if (wanted.isReference) {
      editor.commit(withReference(editor.draft, source));
      return say(`${source.name} is looked at, and no part of the clip`);
    }
    if (start) return editor.commit(start.draft(editor.draft, source, retakeSpan_s()));
    const { draft, options } = editor;
    const text = landingText(draft, landingOf(draft, source, wanted.time_s, options.snap));
    editor.commit(inserted(draft, source, wanted.time_s, options.snap));
    say(`${source.name} ${text || `is given at ${secondsText(wanted.time_s)}`}`);
  }

  function ask(wanted, accept) {
    purpose = wanted;
    input.accept = accept;
    input.click();
  }

  async function upload(file, wanted) {
    progress.hidden = false;
    // Every view hears of the file; only this one uses it.
    try {
      await uploadFile(model, file, { ...wanted, view }, (share) => (progress.value = share));
    } catch (error) {
      model.set("error", `${file.name} cannot be read: ${error.message}`); // such as a folder that was dropped
    } finally {
      progress.hidden = true;
    }
  }

  function begin(start) {
    if (start.needs === null) return use({ start: start.name }, null);
    const fitting = [chosen(), ...sources.values()].find((source) => hasWhat(source, start.needs));
    if (fitting) {
      choose(fitting.sha256);
      use({ start: start.name }, fitting);
    } else ask({ start: start.name }, ACCEPTED[start.needs]);
  }

  disposer.listen(input, "change", () => {
    if (input.files.length) upload(input.files[0], purpose);
    input.value = "";
  });
  disposer.onMessage(model, "uploaded", ({ sha256, detail }) => {
    const source = sources.get(sha256);
    if (source && detail.view === view) use(detail, source);
  });
  disposer.onMessage(model, "insert", ({ sha256, time_s }) => sources.has(sha256) && use({ time_s }, sources.get(sha256)));
  disposer.listen(select, "change", () => choose(select.value));
  disposer.onChange(model, "source", () => (select.value = model.get("source")));

  const starts = STARTS.map((start) => {
    const control = button(start.label);
    disposer.listen(control, "click", () => begin(start));
    return control;
  });
  const insert = button("Insert at cursor");
  const look = button("As reference");
  look.title = "Looked at while the clip is made, and no part of it: for IC-LoRAs, which follow it";
  const add = button("Add file…");
  disposer.listen(insert, "click", () => use({ time_s: editor.cursor_s }, chosen()));
  disposer.listen(look, "click", () => use({ isReference: true }, chosen()));
  const showLanding = () => {
    if (chosen() && !insert.disabled) ghost(landingOf(editor.draft, chosen(), editor.cursor_s, editor.options.snap));
  };
  for (const type of ["pointerenter", "focus"]) disposer.listen(insert, type, showLanding);
  for (const type of ["pointerleave", "blur", "click"]) disposer.listen(insert, type, () => ghost([]));
  disposer.listen(add, "click", () => ask({ time_s: editor.cursor_s }, ACCEPTED.any));

  return {
    element: h(
      "div",
      { class: "ltx-row ltx-timeline-sources" },
      field("Source", select),
      insert,
      look,
      add,
      progress,
      input,
      h("span", { class: "ltx-space" }),
      h("div", { class: "ltx-row", role: "group", "aria-label": "Start from the source" }, ...starts),
    ),
    // Files dropped on the board at a time.
    drop: (file, time_s) => upload(file, { time_s }),
    draw() {
      const readable = [...sources.values()].filter((source) => !source.error);
      const names = readable.map(({ sha256, name }) => `${sha256} ${name}`).join();
      select.disabled = insert.disabled = !readable.length;
      look.disabled = !chosen()?.num_frames || Boolean(chosen().error);
      if (names !== listed) {
        listed = names;
        const options = readable.map(({ sha256, name }) => h("option", { value: sha256 }, name));
        select.replaceChildren(...(options.length ? options : [h("option", {}, "none yet")]));
      }
      if (readable.length) select.value = model.get("source");
    },
  };
}
