import type { HostTensor } from '../src/io/safetensors';

/** A stream of uniform numbers in [0, 1) from a 32-bit seed (splitmix32). */
function uniformStream(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let bits = state ^ (state >>> 16);
    bits = Math.imul(bits, 0x21f0aaad);
    bits ^= bits >>> 15;
    bits = Math.imul(bits, 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  };
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

function filled(shape: number[], next: () => number): HostTensor {
  return { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)).map(next) };
}

/** Normal values of a mean and a standard deviation (Box-Muller). */
export function normal(shape: number[], seed: number, deviation = 1, mean = 0): HostTensor {
  const uniform = uniformStream(seed);
  return filled(shape, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * uniform());
  });
}

/** Numbers until normal values of {@link longNormal} repeat: no multiple of any width. */
const longPeriod = 2 ** 20 + 7;

/** Normal values around 0 for the largest tensors, which come from one stretch of them in turn. */
export function longNormal(shape: number[], seed: number, deviation = 1): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  const { data: stretch } = normal([Math.min(data.length, longPeriod)], seed, deviation);
  for (let at = 0; at < data.length; at += stretch.length) {
    data.set(stretch.subarray(0, Math.min(stretch.length, data.length - at)), at);
  }
  return { dtype: 'float32', shape, data };
}

export function uniform(shape: number[], seed: number, low = 0, high = 1): HostTensor {
  const next = uniformStream(seed);
  return filled(shape, () => low + (high - low) * next());
}

/** Whole numbers from 0 to `end` - 1. */
export function integers(shape: number[], seed: number, end: number): HostTensor {
  const next = uniformStream(seed);
  const data = new Int32Array(sizeOf(shape)).map(() => Math.floor(end * next()));
  return { dtype: 'int32', shape, data };
}
