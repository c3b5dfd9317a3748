// Prompts as the tiny model's tokenizer sees them: a token a word or mark, lower case, padded on the left.

// What tokenizers' Whitespace splits at: words, and runs of what is neither word nor space.
const WORDS = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]+|[^\s\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]+/gu;

/** {ids, mask: BigInt64Array of tokenizer.length, unknown: words without a token, lost: words that there is no room for}. */
export function tokenize(prompt, { ids, length, pad, begin, unknown }) {
  const words = prompt.trim().toLowerCase().match(WORDS) ?? [];
  const room = length - 1;
  const tokens = [begin, ...words.slice(0, room).map((word) => ids[word] ?? unknown)];
  const padding = length - tokens.length;
  return {
    ids: BigInt64Array.from([...Array(padding).fill(pad), ...tokens], BigInt),
    mask: BigInt64Array.from({ length }, (_, i) => (i < padding ? 0n : 1n)),
    unknown: [...new Set(words.filter((word) => !(word in ids)))],
    lost: words.slice(room),
  };
}
