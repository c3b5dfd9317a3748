// Widgets without a kernel: each is opened on a model that answers with what was recorded when the site was built.
//
// <div class="ltx-replay" data-recording="course/09_studio-18"> is filled once it comes near the view. Scripts, not modules
// and data, so that pages opened from a folder work too.

(() => {
  const root = new URL("..", document.currentScript.src);
  const widgets = {};
  const recordings = {};
  const loading = {};

  const loaded = (path) =>
    (loading[path] ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(path, root).href;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${path} did not load`));
      document.head.append(script);
    }));

  const styled = (path) => {
    if (document.querySelector(`link[data-ltx="${path}"]`)) return;
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href: new URL(path, root).href });
    link.dataset.ltx = path;
    document.head.append(link);
  };

  // Equal for equal objects, in whatever order their keys are.
  const keyOf = (value) =>
    JSON.stringify(value, (_, one) =>
      one && typeof one === "object" && !Array.isArray(one) ? Object.fromEntries(Object.entries(one).sort()) : one,
    );

  const view = (base64) => new DataView(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)).buffer);

  // A model as anywidget hands it to render(): get, set, on, off, save_changes, send.
  function createModel(name) {
    const { state, opening } = recordings[name];
    const values = { ...state };
    const listeners = new Map();
    const emit = (event, ...details) => [...(listeners.get(event) ?? [])].forEach((callback) => callback(...details));
    const deliver = (messages) => {
      for (const [content, buffers] of messages) emit("msg:custom", content, buffers.map(view));
    };
    const model = {
      get: (key) => values[key],
      set(key, value) {
        values[key] = value;
        emit(`change:${key}`, model, value);
      },
      save_changes() {},
      on(event, callback) {
        if (!listeners.has(event)) listeners.set(event, new Set());
        listeners.get(event).add(callback);
      },
      off: (event, callback) => listeners.get(event)?.delete(callback),
      async send(content) {
        await null; // an answer never comes before the question is put
        if (content.type === "ready") return deliver(opening);
        if (content.type === "edit") {
          model.set("value", { ...values.value, ...content.value });
          return deliver([[{ type: "edited", id: content.id }, []]]);
        }
        await loaded(`recorded/${name}.more.js`);
        recordings[name].byAsk ??= new Map(recordings[name].answers.map(([ask, messages]) => [keyOf(ask), messages]));
        deliver(recordings[name].byAsk.get(keyOf(content)) ?? []);
      },
    };
    return model;
  }

  async function open(place) {
    const name = place.dataset.recording;
    try {
      await loaded(`recorded/${name}.js`);
      const { widget } = recordings[name];
      styled(`_static/widgets/${widget}.css`);
      await loaded(`_static/widgets/${widget}.js`);
      const el = document.createElement("div");
      place.append(el);
      await widgets[widget].render({ model: createModel(name), el });
      place.querySelector(".ltx-replay-still")?.remove();
      place.dataset.state = "open";
    } catch (error) {
      console.warn(error); // the still picture stays
      place.dataset.state = "failed";
    }
  }

  window.ltxReplay = {
    widget: (name, made) => (widgets[name] = made),
    take: (name, content) => (recordings[name] = { ...recordings[name], ...content }),
  };

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        open(target);
      }
    },
    { rootMargin: "200px" },
  );
  document.querySelectorAll(".ltx-replay").forEach((place) => observer.observe(place));
})();
