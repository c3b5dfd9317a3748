// Sampling settings as a reader sees them: what holds where nothing is set, and whether a negative prompt is used.
// Names and ranges are those of ltx_nb/sampling.py, which checks them; what is no guidance is handed over from there.

// The rows of the table of guidance: a setting of the picture and its twin of the sound.
export const GUIDANCE = [
  { name: "guidance_scale", label: "CFG", hint: "away from the negative prompt" },
  { name: "stg_scale", label: "STG", hint: "spatio-temporal: away from skipped attention" },
  { name: "modality_scale", label: "Modality", hint: "away from lanes deaf to each other" },
  { name: "nag_scale", label: "NAG", hint: "away from the negative prompt in attention, without CFG", least: 1, most: 50 },
  { name: "guidance_rescale", label: "Rescale", hint: "how far the spread is brought back, at most 1", most: 1 },
];

export function effective(name, sampling, defaults) {
  return sampling[name] ?? defaults[name] ?? null;
}

// Classifier-free guidance and NAG, of either lane, are what a negative prompt steers.
export function usesNegative(sampling, defaults, unguided) {
  const scales = ["guidance_scale", "audio_guidance_scale", "nag_scale", "audio_nag_scale"];
  return scales.some((name) => effective(name, sampling, defaults) > unguided[name]);
}

// "8 steps, no guidance" or "30 steps, picture: CFG 3, STG 1; sound: CFG 7, STG 1".
export function samplingText(sampling, defaults, unguided) {
  const steps = sampling.sigmas?.length ?? effective("num_inference_steps", sampling, defaults);
  const lanes = [];
  for (const [lane, prefix] of [["picture", ""], ["sound", "audio_"]]) {
    const terms = GUIDANCE.filter(({ name }) => name !== "guidance_rescale")
      .map(({ name, label }) => ({ label, none: unguided[prefix + name], setting: prefix + name }))
      .map((term) => ({ ...term, scale: effective(term.setting, sampling, defaults) ?? term.none }))
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
