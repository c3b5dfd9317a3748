// Sampling settings as a reader sees them: what holds where nothing is set, and whether a negative prompt is used.
// Names and ranges are those of ltx_nb/sampling.py, which checks them.

// The rows of the table of guidance: a setting of the picture and its twin of the sound.
export const GUIDANCE = [
  { name: "guidance_scale", label: "CFG", hint: "away from the negative prompt; 1 is none", none: 1 },
  { name: "stg_scale", label: "STG", hint: "spatio-temporal: away from skipped attention; 0 is none", none: 0 },
  { name: "modality_scale", label: "Modality", hint: "away from lanes deaf to each other; 1 is none", none: 1 },
  { name: "guidance_rescale", label: "Rescale", hint: "0 to 1, how far the spread is brought back", none: 0, most: 1 },
];

export function effective(name, sampling, defaults) {
  return sampling[name] ?? defaults[name] ?? null;
}

// Classifier-free guidance of either lane is what a negative prompt steers.
export function usesNegative(sampling, defaults) {
  return ["guidance_scale", "audio_guidance_scale"].some((name) => effective(name, sampling, defaults) > 1);
}

// "8 steps, no guidance" or "30 steps, picture: CFG 3, STG 1; sound: CFG 7, STG 1".
export function samplingText(sampling, defaults) {
  const steps = sampling.sigmas?.length ?? effective("num_inference_steps", sampling, defaults);
  const lanes = [];
  for (const [lane, prefix] of [["picture", ""], ["sound", "audio_"]]) {
    const terms = GUIDANCE.filter(({ name }) => name !== "guidance_rescale")
      .map(({ name, label, none }) => ({ label, none, scale: effective(prefix + name, sampling, defaults) ?? none }))
      .filter(({ scale, none }) => scale !== none)
      .map(({ label, scale }) => `${label} ${scale}`);
    if (terms.length > 0) lanes.push(`${lane}: ${terms.join(", ")}`);
  }
  return `${steps ?? "?"} steps, ${lanes.join("; ") || "no guidance"}`;
}

// "1, 0.9 .5" as numbers; null for nothing. What is no number stays a text, for Python to say so.
export function numbersOf(text) {
  const words = text.split(/[\s,;]+/).filter((word) => word !== "");
  if (words.length === 0) return null;
  return words.map((word) => (Number.isNaN(Number(word)) ? word : Number(word)));
}
