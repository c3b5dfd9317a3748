// The model's files: fetched once, kept by the browser, checked against their hashes, with progress on the way.

const CACHE = "ltx-nb-tiny";

/** A shelf of files below `base` (a URL): fetch(entries, onProgress) gives a Map of name to ArrayBuffer.
 *
 * entries: [{file, bytes, sha256}]. onProgress({done, total, isKept}): bytes so far; isKept where all came from the cache.
 * Throws where a file cannot be fetched, or is another one than `model.json` says.
 */
export function createShelf(base) {
  const memory = new Map();

  async function get(entry, onBytes) {
    // The hash in the address keeps a new release from finding an old one's file.
    const address = new URL(`${entry.file}?${entry.sha256.slice(0, 16)}`, base).href;
    const cache = await globalThis.caches?.open(CACHE).catch(() => null);
    const kept = await cache?.match(address);
    if (kept) {
      const buffer = await kept.arrayBuffer();
      if ((await sha256(buffer)) === entry.sha256) {
        onBytes(buffer.byteLength);
        return { buffer, isKept: true };
      }
      await cache.delete(address);
    }
    const buffer = await download(address, entry, onBytes);
    if ((await sha256(buffer)) !== entry.sha256) {
      throw new Error(`${entry.file} is not the file that model.json names; reload the page, or build the site again`);
    }
    // A full disk or a private window keeps nothing, and the page works without.
    await cache?.put(address, new Response(buffer)).catch(() => {});
    return { buffer, isKept: false };
  }

  return async function fetchAll(entries, onProgress = () => {}) {
    const missing = entries.filter(({ file }) => !memory.has(file));
    const total = missing.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    let isKept = true;
    for (const entry of missing) {
      const found = await get(entry, (bytes) => {
        done += bytes;
        onProgress({ done, total, isKept });
      });
      isKept &&= found.isKept;
      memory.set(entry.file, found.buffer);
    }
    return new Map(
      entries.map(({ file }) => {
        const buffer = memory.get(file);
        memory.delete(file); // a session copies it; 45 MB need not lie here twice
        return [file, buffer];
      }),
    );
  };
}

async function download(address, { file }, onBytes) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${file} cannot be fetched: ${response.status} ${response.statusText}`);
  const chunks = [];
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    onBytes(value.length);
  }
  return new Blob(chunks).arrayBuffer();
}

/** Hexadecimal SHA-256 of a buffer. */
export async function sha256(buffer) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
