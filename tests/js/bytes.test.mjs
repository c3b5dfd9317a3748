// Bytes and chunked uploads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, chunkRanges, uploadFile } from "../../widgets/ltx_widgets/static/lib/bytes.mjs";
import { createFakeModel } from "./fake_model.mjs";

test("a view into a larger buffer gives its own bytes", () => {
  const buffer = new Uint8Array([1, 2, 3, 4]).buffer;
  assert.deepEqual([...bytesOf(new DataView(buffer, 1, 2))], [2, 3]);
  assert.deepEqual([...bytesOf(buffer)], [1, 2, 3, 4]);
  assert.equal(bytesOf(null).length, 0);
});

test("chunks cover a file once", () => {
  assert.deepEqual(chunkRanges(5, 2), [[0, 2], [2, 4], [4, 5]]);
  assert.deepEqual(chunkRanges(4, 2), [[0, 2], [2, 4]]);
});

test("a file arrives in order, under one id, with what it is for", async () => {
  const model = createFakeModel();
  const content = new Uint8Array(2 ** 20 + 7).fill(9);
  const shares = [];
  await uploadFile(model, new File([content], "a.png"), { lane: "video" }, (share) => shares.push(share));
  assert.deepEqual(model.sent.map(({ content: { index, count, name, detail } }) => [index, count, name, detail.lane]), [
    [0, 2, "a.png", "video"],
    [1, 2, "a.png", "video"],
  ]);
  assert.equal(new Set(model.sent.map(({ content: { id } }) => id)).size, 1);
  assert.deepEqual(model.sent.map(({ buffers }) => buffers[0].byteLength), [2 ** 20, 7]);
  assert.deepEqual(shares, [0.5, 1]);
});
