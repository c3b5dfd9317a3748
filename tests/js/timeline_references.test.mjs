// References on a draft: as long as their source, and never longer than the clip.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as references from "../../widgets/ltx_widgets/static/timeline/references.mjs";
import { draft } from "./timeline_drafts.mjs";

const VIDEO = { sha256: "v", frame_rate: 24, num_frames: 40 };
const PICTURE = { sha256: "p", frame_rate: null, num_frames: 1 };

test("a reference has the most frames, 8k + 1, that its source and the clip have", () => {
  assert.equal(references.referenceFrames(draft(97), VIDEO), 33);
  assert.equal(references.referenceFrames(draft(25), VIDEO), 25);
  assert.equal(references.referenceFrames(draft(97), { ...VIDEO, frame_rate: 12 }), 73);
  assert.equal(references.referenceFrames(draft(97), PICTURE), 1);
});

test("references come and go in order, each with a strength of its own", () => {
  const both = references.withReference(references.withReference(draft(25), VIDEO), PICTURE);
  const weak = references.withReferenceStrength(both, 1, 0.25);
  assert.deepEqual(
    weak.references.map(({ source, strength }) => [source, strength]),
    [["v", 1], ["p", 0.25]],
  );
  assert.deepEqual(references.withoutReference(weak, 0).references, [weak.references[1]]);
});

test("a shorter clip cuts what it is made after", () => {
  const long = references.withReference(draft(33), VIDEO);
  assert.equal(references.withReferencesInside({ ...long, num_frames: 17 }).references[0].num_frames, 17);
  assert.equal(references.withReferencesInside(long), long);
});
