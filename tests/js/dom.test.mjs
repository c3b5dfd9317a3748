// What a view collects, it releases.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createDisposer, debounce, noteTyping, showIn } from "../../widgets/ltx_widgets/static/lib/dom.mjs";
import { createFakeModel } from "./fake_model.mjs";

test("a disposed view hears nothing more", () => {
  const model = createFakeModel({ seed: 1 });
  const target = new EventTarget();
  const disposer = createDisposer();
  const heard = [];
  disposer.onChange(model, "seed", () => heard.push("seed"));
  disposer.onMessage(model, "media", () => heard.push("media"));
  disposer.listen(target, "click", () => heard.push("click"));
  const play = () => {
    model.receiveState("seed", 2);
    model.receive({ type: "media" });
    model.receive({ type: "other" });
    target.dispatchEvent(new Event("click"));
  };
  play();
  assert.deepEqual(heard, ["seed", "media", "click"]);
  disposer.dispose();
  play();
  assert.equal(heard.length, 3);
  assert.equal(model.listenerCount, 0);
});

test("what is added after the end is released at once", () => {
  const disposer = createDisposer();
  disposer.dispose();
  assert.equal(disposer.isDisposed, true);
  let released = false;
  disposer.add(() => (released = true));
  assert.equal(released, true);
});

test("a debounced call comes once, with the last values", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const calls = [];
  const debounced = debounce((value) => calls.push(value), 300);
  debounced(1);
  context.mock.timers.tick(200);
  debounced(2);
  context.mock.timers.tick(299);
  assert.deepEqual(calls, []);
  context.mock.timers.tick(1);
  assert.deepEqual(calls, [2]);
  debounced(3);
  debounced.flush();
  debounced.flush();
  debounced(4);
  debounced.cancel();
  context.mock.timers.tick(999);
  assert.deepEqual(calls, [2, 3]);
});

for (const end of ["change", "focusout"]) {
  test(`what is being typed stays in its field until ${end}`, () => {
    const field = Object.assign(new EventTarget(), { value: "1" });
    noteTyping(field);
    field.value = "12";
    field.dispatchEvent(new Event("input"));
    showIn(field, "1");
    assert.equal(field.value, "12");
    field.dispatchEvent(new Event(end));
    showIn(field, "3");
    assert.equal(field.value, "3");
  });
}
