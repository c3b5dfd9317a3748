// The model as the page sees it: load() and make() in a worker, one thing at a time.

/** {load(onProgress), make(asked, onStep), cancel()}; make's promise is refused with isCancelled after cancel(). */
export function createSession() {
  const worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
  const waiting = new Map();
  let last = 0;

  worker.onmessage = ({ data: { id, type, ...content } }) => {
    const { resolve, reject, on } = waiting.get(id);
    if (type === "progress" || type === "step") return on(content);
    waiting.delete(id);
    if (type === "failed") reject(Object.assign(new Error(content.message), { isCancelled: content.isCancelled }));
    else resolve(content);
  };
  worker.onerror = (event) => {
    const error = new Error(event.message || "the worker that runs the model did not start");
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };

  function ask(type, asked, on) {
    const id = ++last;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject, on });
      worker.postMessage({ id, type, ...asked });
    });
  }

  return {
    load: (onProgress = () => {}) => ask("load", {}, onProgress),
    make: async (asked, onStep = () => {}) => (await ask("make", asked, onStep)).clip,
    cancel: () => worker.postMessage({ type: "cancel" }),
  };
}
