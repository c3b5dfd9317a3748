// Where media come from: sources at hand, files chosen or dropped; and the tasks that start from one.
import { uploadFile } from "../lib/bytes.mjs";
import { button, field, h } from "../lib/dom.mjs";
import { withImage, withSpan } from "./edits.mjs";
import { LANES, sourceLength_s } from "./draft.mjs";
import { STARTS, hasWhat } from "./starts.mjs";

const ACCEPTED = { video: "video/*", audio: "audio/*,video/*", any: "image/*,video/*,audio/*" };

// Put a source at a time: a picture as an image, what moves and sounds on the lanes that are free.
export function inserted(draft, source, time_s, snap) {
  if (!source.frame_rate && source.num_frames) return withImage(draft, source.sha256, time_s);
  return LANES.reduce((next, lane) => {
    const length_s = sourceLength_s(source, lane);
    return length_s ? withSpan(next, lane, source.sha256, length_s, time_s, snap) : next;
  }, draft);
}

// sources: by SHA-256. The chosen one is what starts and "Insert" use; without a fitting one they ask for a file.
export function createMediaTools(model, editor, sources, disposer) {
  const select = h("select", {});
  const progress = h("progress", { class: "ltx-timeline-progress", "aria-label": "Upload", max: 1, hidden: true });
  const input = h("input", { type: "file", class: "ltx-visually-hidden", tabindex: -1, "aria-hidden": "true" });
  const view = `${Date.now()}-${Math.random()}`;
  let purpose = null;
  let listed = null;

  function use(wanted, source) {
    const start = STARTS.find(({ name }) => name === wanted.start);
    const draft = start
      ? start.draft(editor.draft, source)
      : inserted(editor.draft, source, wanted.time_s, editor.options.snap);
    editor.select(null);
    editor.commit(draft);
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
    const fitting = [sources.get(select.value), ...sources.values()].find((source) => hasWhat(source, start.needs));
    if (fitting) {
      select.value = fitting.sha256;
      use({ start: start.name }, fitting);
    } else ask({ start: start.name }, ACCEPTED[start.needs]);
  }

  disposer.listen(input, "change", () => {
    if (input.files.length) upload(input.files[0], purpose);
    input.value = "";
  });
  disposer.onMessage(model, "uploaded", ({ sha256, detail }) => {
    select.value = sha256;
    const source = sources.get(sha256);
    if (source && detail.view === view) use(detail, source);
  });

  const starts = STARTS.map((start) => {
    const control = button(start.label);
    disposer.listen(control, "click", () => begin(start));
    return control;
  });
  const insert = button("Insert at cursor");
  const add = button("Add file…");
  disposer.listen(insert, "click", () => use({ time_s: editor.cursor_s }, sources.get(select.value)));
  disposer.listen(add, "click", () => ask({ time_s: editor.cursor_s }, ACCEPTED.any));

  return {
    element: h(
      "div",
      { class: "ltx-stack" },
      h("div", { class: "ltx-row" }, field("Source", select), insert, add, progress, input),
      h(
        "div",
        { class: "ltx-row", role: "group", "aria-label": "Start from the source" },
        h("span", { class: "ltx-label" }, "Start"),
        ...starts,
      ),
    ),
    // Files dropped on the board at a time.
    drop: (file, time_s) => upload(file, { time_s }),
    draw() {
      const readable = [...sources.values()].filter((source) => !source.error);
      const names = readable.map(({ sha256, name }) => `${sha256} ${name}`).join();
      if (names === listed) return;
      listed = names;
      const chosen = select.value;
      select.replaceChildren(...readable.map(({ sha256, name }) => h("option", { value: sha256 }, name)));
      select.value = sources.has(chosen) ? chosen : (readable[0]?.sha256 ?? "");
      select.disabled = insert.disabled = !readable.length;
      if (!readable.length) select.replaceChildren(h("option", {}, "none yet"));
    },
  };
}
