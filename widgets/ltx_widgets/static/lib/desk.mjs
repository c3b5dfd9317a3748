// What widgets that stand on one desk, an element .ltx-desk, tell each other in the page, without the kernel. Alone, a
// widget talks to nobody but itself.

// Names in use: "time" {time_s} while a playhead moves, "span" {span_s} while a span is drawn ([] for none), "drop"
// {id, time_s} for a clip that was dropped on the timeline, "ask" {isOpen} when the kernel is asked to
// generate, and when it has said no, "edit" {view, isOpen} while an edit of a view waits for its answer.
export function createDesk(disposer, root) {
  const editing = new Map();
  let waiting = [];
  const settle = () => {
    // A view that has left the page hears no answer.
    for (const [view, place] of editing) if (!place.isConnected) editing.delete(view);
    if (editing.size > 0) return;
    const due = waiting;
    waiting = [];
    for (const act of due) act();
  };
  const desk = {
    tell(name, detail) {
      root.dispatchEvent(new CustomEvent(`ltx-${name}`, { bubbles: true, detail }));
    },
    // callback(detail) for what others on the same desk tell.
    hear(name, callback) {
      disposer.listen(document, `ltx-${name}`, ({ target, detail }) => {
        const place = root.closest(".ltx-desk");
        if (place && target !== root && target.closest(".ltx-desk") === place) callback(detail);
      });
    },
    // act(), now or once no edit on this desk waits for its answer: for what is to be done with what is seen.
    afterEdits(act) {
      waiting.push(act);
      settle();
    },
  };
  disposer.listen(document, "ltx-edit", ({ target, detail: { view, isOpen } }) => {
    if (!(root.closest(".ltx-desk") ?? root).contains(target)) return;
    if (isOpen) editing.set(view, target);
    else editing.delete(view);
    settle();
  });
  return desk;
}
