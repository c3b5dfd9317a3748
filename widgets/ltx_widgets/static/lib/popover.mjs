// What opens beside a control, over the page: it closes by Escape, by a click elsewhere and by choosing from a menu.

import { h, takeKey } from "./dom.mjs";

const BESIDE_PX = 4;
const EDGE_PX = 8;

// Left and top of a box so that it stands below its control, or above where there is more room, inside the window.
export function placeBeside(control, box, view) {
  const below = control.bottom + BESIDE_PX;
  const above = control.top - BESIDE_PX - box.height;
  const fitsBelow = below + box.height <= view.height - EDGE_PX;
  const top = fitsBelow || view.height - control.bottom >= control.top ? below : above;
  const most = (size, room) => Math.max(room - size - EDGE_PX, EDGE_PX);
  return {
    left: Math.min(Math.max(control.left, EDGE_PX), most(box.width, view.width)),
    top: Math.min(Math.max(top, EDGE_PX), most(box.height, view.height)),
  };
}

// An element that `control` opens. onOpen() before it is shown.
export function createPopover(disposer, control, content, { label, onOpen = () => {} }) {
  const element = h("div", { class: "ltx-popover", popover: "auto", role: "group", "aria-label": label }, content);
  control.setAttribute("aria-haspopup", "dialog");
  control.popoverTargetElement = element;
  keepBeside(disposer, element, () => control, onOpen);
  return element;
}

// A menu that every control opens which has it as its popoverTargetElement.
export function createMenuPopover(disposer, items, label) {
  const element = h("div", { class: "ltx-popover ltx-menu", popover: "auto", role: "menu", "aria-label": label }, items);
  const all = () => [...element.querySelectorAll("[role=menuitem]")].filter((item) => !item.hidden);
  // The control that opens it has the focus then.
  let control = null;
  keepBeside(disposer, element, () => control, () => (control = document.activeElement));
  disposer.listen(element, "toggle", ({ newState }) => newState === "open" && all()[0]?.focus());
  disposer.listen(element, "click", (event) => {
    event.stopPropagation(); // to where it stands
    if (event.target.closest("[role=menuitem]")) element.hidePopover();
  });
  disposer.listen(element, "keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    takeKey(event);
    const items = all();
    items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
  });
  return element;
}

// One line of a menu.
export function menuItem(disposer, label, act) {
  const item = h("button", { type: "button", class: "ltx-button", role: "menuitem" }, label);
  disposer.listen(item, "click", act);
  return item;
}

function keepBeside(disposer, element, controlOf, onOpen) {
  const place = () => {
    const view = { width: document.documentElement.clientWidth, height: document.documentElement.clientHeight };
    const control = controlOf().getBoundingClientRect();
    const { left, top } = placeBeside(control, element.getBoundingClientRect(), view);
    element.style.left = `${left}px`;
    element.style.top = `${top}px`;
  };
  const follow = (isOpen) => {
    for (const type of ["scroll", "resize"]) {
      if (isOpen) window.addEventListener(type, place, true);
      else window.removeEventListener(type, place, true);
    }
  };
  disposer.listen(element, "beforetoggle", ({ newState }) => {
    if (newState !== "open") return;
    onOpen();
    element.style.visibility = "hidden"; // until it is where it belongs
  });
  disposer.listen(element, "toggle", ({ newState }) => {
    const isOpen = newState === "open";
    follow(isOpen);
    if (!isOpen) return;
    place();
    element.style.visibility = "";
  });
  disposer.add(() => follow(false));
}
