// A model as anywidget hands it to render(), without a kernel: for node and for plain pages.

export function createFakeModel(state = {}) {
  const values = { error: "", ...state };
  const listeners = new Map();
  const emit = (event, ...details) => {
    for (const callback of [...(listeners.get(event) ?? [])]) callback(...details);
  };
  return {
    // What the widget sent and saved, oldest first.
    sent: [],
    saved: [],
    changed: {},
    get: (name) => values[name],
    set(name, value) {
      values[name] = value;
      this.changed[name] = value;
      emit(`change:${name}`, this, value);
    },
    save_changes() {
      this.saved.push(this.changed);
      this.changed = {};
    },
    on(event, callback) {
      if (!listeners.has(event)) listeners.set(event, new Set());
      listeners.get(event).add(callback);
    },
    off(event, callback) {
      listeners.get(event)?.delete(callback);
    },
    send(content, _callbacks, buffers = []) {
      this.sent.push({ content, buffers });
    },
    // As if Python had set a trait, or sent a message.
    receiveState(name, value) {
      values[name] = value;
      emit(`change:${name}`, this, value);
    },
    receive(content, buffers = []) {
      emit("msg:custom", content, buffers);
    },
    get listenerCount() {
      return [...listeners.values()].reduce((sum, callbacks) => sum + callbacks.size, 0);
    },
  };
}
