// The noise that torch draws on a CPU for a seed, so that a page makes the clip that the kit makes.
// Sources: torch's mt19937 (Matsumoto and Nishimura 1998) and its normal_fill, Box-Muller in blocks of 16.

const STATE = 624;
const SHIFT = 397;

/** 32 random bits at a time, as torch's generator after `manual_seed(seed)`; of the seed, the low 32 bits count. */
export function mersenneTwister(seed) {
  const state = new Uint32Array(STATE);
  state[0] = Number(BigInt.asUintN(32, BigInt(seed)));
  for (let i = 1; i < STATE; i++) {
    const before = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(1812433253, before) + i;
  }
  let next = STATE;
  const refill = () => {
    for (let i = 0; i < STATE; i++) {
      const mixed = (state[i] & 0x80000000) | (state[(i + 1) % STATE] & 0x7fffffff);
      state[i] = state[(i + SHIFT) % STATE] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    next = 0;
  };
  return () => {
    if (next === STATE) refill();
    let bits = state[next++];
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    return (bits ^ (bits >>> 18)) >>> 0;
  };
}

/** `torch.randn(count, generator=torch.Generator().manual_seed(seed))` for count >= 16, but for the last bits. */
export function randn(count, seed) {
  if (count < 16) throw new RangeError(`count=${count} is below 16, for which torch draws otherwise`);
  const bits = mersenneTwister(seed);
  const values = Float32Array.from({ length: count }, () => (bits() & 0xffffff) / 0x1000000);
  for (let begin = 0; begin + 16 <= count; begin += 16) fillBlock(values, begin);
  if (count % 16) {
    for (let i = count - 16; i < count; i++) values[i] = (bits() & 0xffffff) / 0x1000000;
    fillBlock(values, count - 16);
  }
  return values;
}

function fillBlock(values, begin) {
  for (let i = begin; i < begin + 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
    const angle = 2 * Math.PI * values[i + 8];
    values[i] = radius * Math.cos(angle);
    values[i + 8] = radius * Math.sin(angle);
  }
}

/** `ltx_nb.pipeline.prepare.draw_noise` of stage 1: each lane, "video" or "audio", has a generator of its own. */
export async function drawNoise(seed, lane, shape) {
  const named = new TextEncoder().encode(`${seed} ${lane} 1`);
  const digest = new DataView(await crypto.subtle.digest("SHA-256", named));
  return randn(shape.reduce((product, side) => product * side), digest.getBigUint64(0, true));
}

/** [1, C, F, H, W] to tokens [1, F x H x W, C]. */
export function packVideo(values, channels) {
  const tokens = values.length / channels;
  const packed = new Float32Array(values.length);
  for (let token = 0; token < tokens; token++) {
    for (let c = 0; c < channels; c++) packed[token * channels + c] = values[c * tokens + token];
  }
  return packed;
}
