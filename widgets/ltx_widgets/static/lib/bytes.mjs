// Bytes to and from Python. Messages above 8 MB are lost on the way to the kernel, so files go in chunks of 1 MiB.

const CHUNK_BYTES = 2 ** 20;

// What a bytes trait or a message's buffer holds; an empty array for none.
export function bytesOf(buffer) {
  if (!buffer) return new Uint8Array();
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

// What Python's zlib.compress deflated; an empty array for none.
export async function inflated(buffer) {
  const bytes = bytesOf(buffer);
  if (!bytes.length) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Names an upload or a message among those of all views; pages that do not come over HTTPS have no randomUUID.
export function newId() {
  return crypto.randomUUID?.() ?? String(Math.random());
}

// [start, end) of every chunk of a file of this size; an empty file has none.
export function chunkRanges(size_bytes, chunk_bytes = CHUNK_BYTES) {
  const ranges = [];
  for (let start = 0; start < size_bytes; start += chunk_bytes) {
    ranges.push([start, Math.min(start + chunk_bytes, size_bytes)]);
  }
  return ranges;
}

// Send a File or Blob to Python's _on_upload(name, data, detail). onProgress(share in 0..1) after every chunk.
export async function uploadFile(model, file, detail = {}, onProgress = () => {}) {
  const ranges = chunkRanges(file.size);
  const id = newId();
  for (const [index, [start, end]] of ranges.entries()) {
    const chunk = await file.slice(start, end).arrayBuffer();
    const message = { type: "chunk", id, name: file.name ?? "", index, count: ranges.length, detail };
    model.send(message, undefined, [new DataView(chunk)]);
    onProgress((index + 1) / ranges.length);
  }
}
