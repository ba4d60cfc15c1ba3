import type { Handle } from './tensor_storage_addon';

/**
 * Random numbers of the addon (native/binding/random_kernels.cc), a function of the seed, a whole
 * number of at most 53 bits, and the position in the tensor.
 */
export interface RandomAddon {
  randomUniform(y: Handle, count: number, seed: number, low: number, high: number): void;
  randomNormal(y: Handle, count: number, seed: number, mean: number, deviation: number): void;
  dropout(x: Handle, y: Handle, count: number, seed: number, rate: number): void;
}
