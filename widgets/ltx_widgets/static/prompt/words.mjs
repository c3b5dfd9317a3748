// A prompt as one text and as its parts: joined, found again in the text, and kept apart while the text is edited.

export const PARTS = ["action", "look", "setting", "camera", "light", "sound", "speech"];

// Captions that the model was trained on are paragraphs of up to about so many words.
export const MOST_WORDS = 200;

export function wordCount(text) {
  return text.trim() === "" ? 0 : text.trim().split(/\s+/).length;
}

// One part as it stands in the text: ended like a sentence, speech in quotes.
export function sentence(name, part) {
  const trimmed = part.trim();
  if (trimmed === "") return "";
  const ended = /[.!?…,;:]["”’)]*$|["”]$/.test(trimmed) ? trimmed : `${trimmed}.`;
  return name === "speech" && !/["“”]/.test(ended) ? `"${ended}"` : ended;
}

// {action: "...", ...} as one text, in the order of PARTS.
export function joinParts(parts) {
  return PARTS.map((name) => sentence(name, parts[name] ?? ""))
    .filter((text) => text !== "")
    .join(" ");
}

// The parts if they make up the text, else all of it as the action.
export function partsOf(parts, text) {
  const spans = spansOf(parts, text);
  let rest = text;
  for (const { start, end } of [...spans].reverse()) rest = rest.slice(0, start) + rest.slice(end);
  if (spans.length > 0 && rest.trim() === "") return parts;
  return text.trim() === "" ? {} : { action: text.trim() };
}

// The parts after the text was changed by hand: the part in which the change begins takes it up, and what the change
// covers of other parts is taken from them.
export function editParts(parts, before, after) {
  const spans = spansOf(partsOf(parts, before), before);
  if (spans.length === 0) return partsOf({}, after);
  const { start, oldEnd, newEnd } = changedStretch(before, after);
  const moved = newEnd - oldEnd;
  const owner = spans.find((span) => span.end >= start) ?? spans.at(-1);
  const edited = {};
  for (const span of spans) {
    let [from, to] = [span.start, span.end];
    if (span === owner) [from, to] = [Math.min(from, start), Math.max(to, oldEnd) + moved];
    else if (to > start) [from, to] = [Math.max(from, oldEnd) + moved, Math.max(to, oldEnd) + moved];
    const piece = after.slice(from, to).trim();
    if (piece !== "") edited[span.name] = piece;
  }
  return edited;
}

// Whether a prompt has a LoRA's trigger word, in small or capital letters.
export function hasTrigger(prompt, trigger) {
  return prompt.toLowerCase().includes(trigger.toLowerCase());
}

// The prompt with the word before it, as LoRAs are mostly trained with it.
export function withTrigger(prompt, trigger) {
  return hasTrigger(prompt, trigger) ? prompt : `${trigger} ${prompt}`.trim();
}

// Where each part stands in the text, as [start, end); empty unless all are found in their order.
function spansOf(parts, text) {
  const spans = [];
  let from = 0;
  for (const name of PARTS) {
    const raw = (parts[name] ?? "").trim();
    if (raw === "") continue;
    const found = [sentence(name, raw), raw].find((piece) => text.indexOf(piece, from) >= 0);
    if (found === undefined) return [];
    const start = text.indexOf(found, from);
    from = start + found.length;
    spans.push({ name, start, end: from });
  }
  return spans;
}

// The stretch of the old text, [start, oldEnd), that became [start, newEnd) of the new one, in whole words: letters that
// two words happen to share at their ends belong to neither part.
function changedStretch(before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let same = 0;
  while (same < shorter - start && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1;
  const isInWord = (text, index) => /\S\S/.test(text.slice(index - 1, index + 1));
  while (start > 0 && (isInWord(before, start) || isInWord(after, start))) start -= 1;
  while (same > 0 && (isInWord(before, before.length - same) || isInWord(after, after.length - same))) same -= 1;
  return { start, oldEnd: before.length - same, newEnd: after.length - same };
}
