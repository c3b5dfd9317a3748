// Undo and redo over values that are never changed in place.

const MOST_STEPS = 200;

export function createHistory(value) {
  let past = [];
  let future = [];
  let present = value;
  return {
    get present() {
      return present;
    },
    get canUndo() {
      return past.length > 0;
    },
    get canRedo() {
      return future.length > 0;
    },
    // A new step; what was undone before cannot be redone any more.
    push(next) {
      past = [...past, present].slice(-MOST_STEPS);
      present = next;
      future = [];
    },
    undo() {
      if (past.length) {
        future = [present, ...future];
        present = past.at(-1);
        past = past.slice(0, -1);
      }
      return present;
    },
    redo() {
      if (future.length) {
        past = [...past, present];
        [present, ...future] = future;
      }
      return present;
    },
  };
}
