// The model's parts in onnxruntime-web: which device runs which, and that a graphics card gives what torch gave.
import { drawNoise, packVideo } from "./noise.mjs";

// The two decoders are most of the work; the transformer's 163 tokens are too few to be worth the way to a card.
const ON_CARD = ["picture", "sound"];

/**
 * {run(part, inputs), prepare(part), device, why} on `ort`, the namespace of onnxruntime-web. load(part): a promise of
 * its file's bytes.
 *
 * A part's session is made when it is prepared or first run. With a card, its answers to known noise are compared to torch's first,
 * by watched(work), which has that work done; why says what a card did wrong.
 */
export function createEngine(ort, model, load, { hasCard = false, watched = (work) => work() } = {}) {
  const sessions = new Map();
  const engine = { run, prepare: sessionOf, device: hasCard ? "WebGPU" : "WASM", why: "" };

  async function sessionOf(part) {
    if (sessions.has(part)) return sessions.get(part);
    const bytes = new Uint8Array(await load(part));
    let session = null;
    if (engine.device === "WebGPU" && ON_CARD.includes(part)) session = await watched(() => onCard(part, bytes));
    session ??= await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    sessions.set(part, session);
    return session;
  }

  async function onCard(part, bytes) {
    try {
      const session = await ort.InferenceSession.create(bytes, { executionProviders: ["webgpu", "wasm"] });
      const error = await farthest(session, part);
      if (error <= model.checks[part].tolerance) return session;
      engine.why = `${part} is ${error} away from torch on this graphics card`;
    } catch (error) {
      engine.why = `${part} does not run on this graphics card: ${error.message}`;
    }
    engine.device = "WASM";
    return null;
  }

  async function farthest(session, part) {
    const { lane, seed, values } = model.checks[part];
    const noise = await drawNoise(seed, lane, model.noise[lane]);
    const latents = lane === "video" ? packVideo(noise, model.channels) : noise;
    const [input] = Object.keys(model.parts[part].inputs);
    const [output] = model.parts[part].outputs;
    const found = (await feed(session, part, { [input]: latents }))[output];
    return Math.max(...values.map(([at, value]) => Math.abs(found[at] - value)));
  }

  async function feed(session, part, inputs) {
    const feeds = {};
    for (const [name, shape] of Object.entries(model.parts[part].inputs)) {
      feeds[name] = new ort.Tensor(TYPES.get(inputs[name].constructor), inputs[name], shape);
    }
    const outputs = await session.run(feeds);
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data]));
  }

  async function run(part, inputs) {
    return feed(await sessionOf(part), part, inputs);
  }

  return engine;
}

const TYPES = new Map([
  [Float32Array, "float32"],
  [BigInt64Array, "int64"],
  [Uint8Array, "uint8"],
]);
