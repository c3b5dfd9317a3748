// A run in words and shares: its parts, what is left of it, and which picture of a preview is due.

// The parts of a run with the share done of each, 0..1, from Python's progress (RunClock), since_s seconds after it came.
// Decoding fills by the time that it took last, and never quite; isUnknown where that is not known.
export function runParts({ phase, num_stages = 1, stage = 1, step = 0, num_steps = null, decode_s = null }, since_s = 0) {
  const stages = Array.from({ length: num_stages }, (_, index) => {
    const number = index + 1;
    const isPast = phase === "decoding" || (phase === "sampling" && number < stage);
    const done = isPast ? 1 : phase !== "sampling" || number > stage || !num_steps ? 0 : step / num_steps;
    return { label: num_stages > 1 ? `Stage ${number}` : "Steps", done, isNow: phase === "sampling" && number === stage };
  });
  const isDecoding = phase === "decoding";
  const decoded = isDecoding && decode_s ? Math.min(since_s / decode_s, 0.97) : 0;
  return [
    { label: "Prepare", done: phase && phase !== "preparing" ? 1 : 0, isNow: phase === "preparing" },
    ...stages,
    { label: "Decode", done: decoded, isNow: isDecoding, isUnknown: isDecoding && !decode_s },
  ];
}

// "stage 1 of 2, step 3 of 8, σ 0.725"
export function progressText({ phase, num_stages, stage, step, num_steps, sigma }) {
  if (phase === "preparing") return "preparing: prompt, given media, first step";
  if (phase === "decoding") return "decoding picture and sound";
  const steps = `step ${step} of ${num_steps}, σ ${sigma.toPrecision(3)}`;
  return num_stages > 1 ? `stage ${stage} of ${num_stages}, ${steps}` : steps;
}

// What is left, since_s seconds after it was told: "about 12 s left, 5 s of them decoding"; "" where nothing is known.
export function leftText({ phase, left_s = null, decode_s = null, num_stages }, since_s) {
  if (phase === "decoding") {
    if (decode_s === null) return `${lengthOf(since_s)} so far`;
    return decode_s > since_s ? `about ${lengthOf(decode_s - since_s)} left` : `longer than last time, ${lengthOf(since_s)} so far`;
  }
  if (left_s === null) return "";
  const rest_s = Math.max(left_s - since_s, 0);
  if (decode_s === null) {
    const where = num_stages > 1 ? " in this stage" : "";
    return `${rest_s < 1 ? "under 1 s" : `about ${lengthOf(rest_s)}`} left${where}, then decoding`;
  }
  const after = num_stages > 1 ? " from this stage on" : "";
  return `about ${lengthOf(rest_s + decode_s)} left${after}, ${lengthOf(decode_s)} of it decoding`;
}

// "8.1 s", "2 min 5 s"
export function lengthOf(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

// Which of the latent frames is due after so many seconds, when they run at the speed of the clip, again and again.
export function previewFrame(elapsed_s, num_latent_frames, frame_rate) {
  return Math.floor((elapsed_s * frame_rate) / 8) % num_latent_frames;
}
