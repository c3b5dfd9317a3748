// What every widget's view is built with: elements, listeners that are released together, the error line.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

// An HTML element; attributes that are null or false are left out, true is an empty one.
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

// An SVG element.
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Collects what a view has to release; dispose() releases it, newest first. A late add is released at once.
export function createDisposer() {
  const releases = [];
  let isDisposed = false;
  const disposer = {
    get isDisposed() {
      return isDisposed;
    },
    add(release) {
      if (isDisposed) release();
      else releases.push(release);
    },
    listen(target, type, callback, options) {
      target.addEventListener(type, callback, options);
      disposer.add(() => target.removeEventListener(type, callback, options));
    },
    // callback() when the trait changes, from Python or from another view.
    onChange(model, name, callback) {
      model.on(`change:${name}`, callback);
      disposer.add(() => model.off(`change:${name}`, callback));
    },
    // callback(content, buffers) for messages of this type that Python sends.
    onMessage(model, type, callback) {
      const receive = (content, buffers) => {
        if (content?.type === type) callback(content, buffers ?? []);
      };
      model.on("msg:custom", receive);
      disposer.add(() => model.off("msg:custom", receive));
    },
    // callback(width in px) now and whenever the element changes its width.
    onWidth(element, callback) {
      let known = -1;
      const observer = new ResizeObserver(() => {
        if (element.clientWidth === known) return;
        known = element.clientWidth;
        callback(known);
      });
      observer.observe(element);
      disposer.add(() => observer.disconnect());
    },
    dispose() {
      isDisposed = true;
      for (const release of releases.splice(0).reverse()) release();
    },
  };
  return disposer;
}

// The widget's root element, in el: class "ltx ltx-<name>", named for screen readers. An attribute of what has the focus
// keeps JupyterLab's single-key shortcuts (M turns a cell into Markdown) away from keys that are meant for the widget;
// on an ancestor it would be too late, as their selectors end in :focus.
export function widgetRoot(el, name, label) {
  const root = h("section", { class: `ltx ltx-${name}`, "aria-label": label });
  root.addEventListener("focusin", ({ target }) => target.setAttribute("data-lm-suppress-shortcuts", "true"));
  // JupyterLab listens at the field itself and takes Enter's own work from it: no new line, and no number is given.
  const keepEnter = (event) => event.inputType === "insertLineBreak" && event.stopPropagation();
  root.addEventListener("beforeinput", keepEnter, true);
  noteTyping(root);
  el.append(root);
  return root;
}

const beingTyped = new WeakSet();

// Tell fields of a root with something typed that is not given yet, by Enter or by leaving the field, from the others.
export function noteTyping(root) {
  root.addEventListener("input", ({ target }) => beingTyped.add(target), true);
  for (const end of ["change", "focusout"]) root.addEventListener(end, ({ target }) => beingTyped.delete(target), true);
}

// A value in a field, unless something is being typed there: news from Python must not take it away.
export function showIn(field, value) {
  if (!beingTyped.has(field)) field.value = value;
}

// A key that the widget acts on: the page does not scroll by it, and the front end takes no command from it.
export function takeKey(event) {
  event.preventDefault();
  event.stopPropagation();
}

// A line that shows model.error as it changes, and is announced; hidden while there is none.
export function showError(disposer, model) {
  const line = h("p", { class: "ltx-error", role: "alert" });
  const update = () => {
    line.textContent = model.get("error") ?? "";
    line.hidden = !line.textContent;
  };
  disposer.onChange(model, "error", update);
  update();
  return line;
}

// A push button. icon: a short text shown in place of the label, which is then the tooltip and the name.
export function button(label, { icon = null, primary = false, pressed = null } = {}) {
  return h(
    "button",
    {
      type: "button",
      class: `ltx-button${primary ? " ltx-primary" : ""}${icon ? " ltx-icon" : ""}`,
      title: icon ? label : null,
      "aria-label": icon ? label : null,
      "aria-pressed": pressed === null ? null : String(pressed),
    },
    icon ?? label,
  );
}

// A labelled control; unit is written after it.
export function field(label, control, unit = null) {
  return h(
    "label",
    { class: "ltx-field" },
    h("span", { class: "ltx-label" }, label),
    control,
    unit && h("span", { class: "ltx-muted" }, unit),
  );
}

// callback, once no further call has come for delay_ms; flush() runs a waiting call now, cancel() drops it.
export function debounce(callback, delay_ms) {
  let timer = null;
  let waiting = null;
  const debounced = (...values) => {
    waiting = values;
    clearTimeout(timer);
    timer = setTimeout(debounced.flush, delay_ms);
  };
  debounced.flush = () => {
    clearTimeout(timer);
    const values = waiting;
    waiting = null;
    if (values) callback(...values);
  };
  debounced.cancel = () => {
    clearTimeout(timer);
    waiting = null;
  };
  return debounced;
}
