// What opens beside a control, over the page: it closes by Escape, by a click elsewhere and by choosing from a menu.

import { h, takeKey } from "./dom.mjs";

const GAP_PX = 4;
const EDGE_PX = 8;

// Left and top of a box so that it stands below its control, or above where there is more room, inside the window.
export function placeBeside(control, box, view) {
  const below = control.bottom + GAP_PX;
  const above = control.top - GAP_PX - box.height;
  const fitsBelow = below + box.height <= view.height - EDGE_PX;
  const top = fitsBelow || view.height - control.bottom >= control.top ? below : above;
  const most = (size, room) => Math.max(room - size - EDGE_PX, EDGE_PX);
  return {
    left: Math.min(Math.max(control.left, EDGE_PX), most(box.width, view.width)),
    top: Math.min(Math.max(top, EDGE_PX), most(box.height, view.height)),
  };
}

// Returns the element to be put beside the control. onOpen() before it is shown.
export function createPopover(disposer, control, content, { label, isMenu = false, onOpen = () => {} }) {
  const element = h(
    "div",
    { class: `ltx-popover${isMenu ? " ltx-menu" : ""}`, popover: "auto", role: isMenu ? "menu" : "group", "aria-label": label },
    content,
  );
  control.setAttribute("aria-haspopup", isMenu ? "menu" : "dialog");
  control.popoverTargetElement = element;
  const place = () => {
    const view = { width: document.documentElement.clientWidth, height: document.documentElement.clientHeight };
    const { left, top } = placeBeside(control.getBoundingClientRect(), element.getBoundingClientRect(), view);
    element.style.left = `${left}px`;
    element.style.top = `${top}px`;
  };
  const follow = (isOpen) => {
    for (const type of ["scroll", "resize"]) {
      if (isOpen) window.addEventListener(type, place, true);
      else window.removeEventListener(type, place, true);
    }
  };
  const items = () => [...element.querySelectorAll("[role=menuitem]")].filter((item) => !item.hidden && !item.disabled);
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
    if (isMenu) items()[0]?.focus();
  });
  disposer.add(() => follow(false));
  if (isMenu) {
    disposer.listen(element, "click", ({ target }) => target.closest("[role=menuitem]") && element.hidePopover());
    disposer.listen(element, "keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      takeKey(event);
      const all = items();
      all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
    });
  }
  return element;
}

// One line of a menu.
export function menuItem(disposer, label, act, picture = null) {
  const item = h("button", { type: "button", class: "ltx-button", role: "menuitem" }, picture, label);
  disposer.listen(item, "click", act);
  return item;
}
