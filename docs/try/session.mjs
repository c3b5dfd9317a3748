// The model as the page sees it: load() and make() in a worker, one thing at a time.

/**
 * {load({device, onProgress}), make(asked, onStep), cancel()}; a promise is refused with isCancelled after cancel().
 *
 * load begins with a new worker and gives {model, device, why}: why no card is used, if one was tried. device: "wasm" tries none.
 * A card that does not answer within cardLimitMs is given up with its worker, since nothing else ends what waits for it.
 */
export function createSession({ cardLimitMs = 20_000 } = {}) {
  const waiting = new Map();
  let worker = null;
  let last = 0;
  let isLoading = false;
  let limit = null;

  function begin() {
    end(new Error("the model was loaded anew"));
    worker = new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { id, type, ...content } }) => {
      if (type === "card") return watch(content.isBusy);
      const { resolve, reject, on } = waiting.get(id);
      if (type === "progress" || type === "step") return on(content);
      waiting.delete(id);
      if (type === "failed") reject(Object.assign(new Error(content.message), { isCancelled: content.isCancelled }));
      else resolve(content);
    };
    worker.onerror = (event) => end(new Error(event.message || "the worker that runs the model did not start"));
  }

  function end(error) {
    clearTimeout(limit);
    if (worker) worker.onmessage = null; // what it has sent already is not wanted either
    worker?.terminate();
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  }

  function watch(isBusy) {
    clearTimeout(limit);
    const why = `the graphics card did not answer within ${cardLimitMs / 1000} s`;
    if (isBusy) limit = setTimeout(() => end(Object.assign(new Error(why), { isOfCard: true })), cardLimitMs);
  }

  function ask(type, asked, on) {
    const id = ++last;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject, on });
      worker.postMessage({ id, type, ...asked });
    });
  }

  async function load({ device = "any", onProgress = () => {} } = {}) {
    isLoading = true;
    try {
      begin();
      return await ask("load", { device }, onProgress);
    } catch (error) {
      if (!error.isOfCard) throw error;
      begin();
      return { ...(await ask("load", { device: "wasm" }, onProgress)), why: error.message };
    } finally {
      isLoading = false;
    }
  }

  return {
    load,
    make: async (asked, onStep = () => {}) => (await ask("make", asked, onStep)).clip,
    cancel: () => {
      if (isLoading) end(Object.assign(new Error("cancelled"), { isCancelled: true }));
      else worker?.postMessage({ type: "cancel" });
    },
  };
}
