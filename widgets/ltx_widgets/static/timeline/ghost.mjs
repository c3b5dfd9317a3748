// Where something would land on the lanes, before it does.
import { h } from "../lib/dom.mjs";

// lanes: as createLane made them, by name; scaleNow(): the board's.
export function createGhost(lanes, scaleNow) {
  const ghosts = Object.entries(lanes).map(([lane, { element }]) => {
    const ghost = h("div", { class: "ltx-timeline-ghost", "aria-hidden": "true", hidden: true });
    element.append(ghost);
    return [lane, ghost];
  });
  return {
    // spans: {lane, start_s, end_s} each; [] for nothing.
    show(spans) {
      const scale = scaleNow();
      for (const [lane, ghost] of ghosts) {
        const span = spans.find((one) => one.lane === lane);
        ghost.hidden = !span;
        if (!span) continue;
        ghost.style.left = `${scale.toPx(span.start_s)}px`;
        ghost.style.width = `${scale.toPx(span.end_s) - scale.toPx(span.start_s)}px`;
      }
    },
  };
}
