// What widgets that stand on one desk, an element .ltx-desk, tell each other in the page, without the kernel. Alone, a
// widget talks to nobody.

// Names in use: "time" {time_s} while a playhead moves, "span" {span_s} while a span is drawn ([] for none), "drop"
// {id, time_s} for a clip that was dropped on the timeline, "ask" {isOpen} when the kernel is asked to
// generate, and when it has said no.
export function createDesk(disposer, root) {
  return {
    tell(name, detail) {
      root.dispatchEvent(new CustomEvent(`ltx-${name}`, { bubbles: true, detail }));
    },
    // callback(detail) for what others on the same desk tell.
    hear(name, callback) {
      disposer.listen(document, `ltx-${name}`, ({ target, detail }) => {
        const desk = root.closest(".ltx-desk");
        if (desk && target !== root && target.closest(".ltx-desk") === desk) callback(detail);
      });
    },
  };
}
