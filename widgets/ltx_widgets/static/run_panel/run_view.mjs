// A run in words and shares: its parts, what is left of it, and which picture of a preview is due.

// The parts of a run with the share done of each, 0..1, from Python's progress (RunClock).
export function runParts({ phase, num_stages, stage, step, num_steps }) {
  const stages = Array.from({ length: num_stages }, (_, index) => {
    const number = index + 1;
    const done = phase === "decoding" || number < stage ? 1 : number > stage || !num_steps ? 0 : step / num_steps;
    return { label: num_stages > 1 ? `Stage ${number}` : "Steps", done, isNow: phase === "sampling" && number === stage };
  });
  return [
    { label: "Prepare", done: phase === "preparing" ? 0 : 1, isNow: phase === "preparing" },
    ...stages,
    { label: "Decode", done: 0, isNow: phase === "decoding" },
  ];
}

// "stage 1 of 2, step 3 of 8, σ 0.725"
export function progressText({ phase, num_stages, stage, step, num_steps, sigma }) {
  if (phase === "preparing") return "preparing: prompt, given media, first step";
  if (phase === "decoding") return "decoding picture and sound";
  const steps = `step ${step} of ${num_steps}, σ ${sigma.toPrecision(3)}`;
  return num_stages > 1 ? `stage ${stage} of ${num_stages}, ${steps}` : steps;
}

// What is left of left_s, known since_s ago: "about 12 s left in this stage"; "" where it is not known.
export function leftText({ left_s = null, num_stages }, since_s) {
  if (left_s === null) return "";
  const rest_s = Math.max(left_s - since_s, 0);
  const where = num_stages > 1 ? " in this stage" : "";
  return `${rest_s < 1 ? "under 1 s" : `about ${lengthOf(rest_s)}`} left${where}`;
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
