// Runs the model away from the page, so that it stays quick. In: {id, type: "load" | "make", ...}; out: {id, type, ...}.
import { createEngine } from "./engine.mjs";
import { makeClip } from "./clip.mjs";
import { createShelf } from "./parts.mjs";

const BASE = new URL("./", import.meta.url);
const shelf = createShelf(new URL("model/", BASE));
let engine = null;
let model = null;
let isCancelled = false;

async function load(post, device) {
  const answer = await fetch(new URL("model/model.json", BASE));
  if (!answer.ok) throw new Error(`model/model.json cannot be fetched: ${answer.status}; python docs/try/build.py makes it`);
  model = await answer.json();
  const runtimes = await (await fetch(new URL("ort/runtimes.json", BASE))).json();
  // The page gives up a card that takes too long.
  const watched = async (work) => {
    post("card", { isBusy: true });
    try {
      return await work();
    } finally {
      post("card", { isBusy: false });
    }
  };
  const gpu = device === "wasm" ? null : self.navigator.gpu;
  const adapter = gpu && (await watched(() => gpu.requestAdapter().catch(() => null)));
  // One in software computes on the processor, many times slower than WASM.
  const hasCard = Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  const runtime = runtimes[hasCard ? "webgpu" : "wasm"];
  const needed = Object.entries(model.parts).filter(([name]) => name !== "image");
  const wasm = { ...runtime.wasm, file: `../ort/${runtime.wasm.file}` };
  const entries = [wasm, ...needed.map(([, part]) => part)];
  const files = await shelf(entries, (progress) => post("progress", progress));
  const ort = await import(new URL(`ort/${runtime.module.file}`, BASE).href);
  ort.env.wasm.wasmBinary = files.get(wasm.file);
  // More threads share memory, which browsers allow only pages of hosts that isolate them.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, self.navigator.hardwareConcurrency) : 1;
  const bytesOf = async (part) => {
    const entry = model.parts[part];
    return files.get(entry.file) ?? (await shelf([entry], (progress) => post("progress", progress))).get(entry.file);
  };
  const made = createEngine(ort, model, async (part) => {
    const bytes = await bytesOf(part);
    files.delete(model.parts[part].file);
    return bytes;
  }, { hasCard, watched });
  for (const [name] of needed) await made.prepare(name);
  engine = made;
}

self.onmessage = async ({ data: { id, type, ...asked } }) => {
  const post = (kind, content = {}, transfer = []) => self.postMessage({ id, type: kind, ...content }, transfer);
  if (type === "cancel") {
    isCancelled = true;
    return;
  }
  try {
    if (type === "load") {
      await load(post, asked.device);
      post("loaded", { device: engine.device, why: engine.why, model });
    } else {
      isCancelled = false;
      const stopIfCancelled = async () => {
        // A message can only arrive between two steps, when the worker is idle for a moment.
        await new Promise((resolve) => setTimeout(resolve));
        if (isCancelled) throw new DOMException("cancelled", "AbortError");
      };
      const clip = await makeClip(model, engine, asked, async (step) => {
        post("step", step);
        await stopIfCancelled();
      });
      post("made", { clip });
    }
  } catch (error) {
    post("failed", { message: error.message, isCancelled: error.name === "AbortError" });
  }
};
