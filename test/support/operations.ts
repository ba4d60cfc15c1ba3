// What the tests of operations share: random tensors, float64 gradients, errors.
import '../../src/kernels/register';
import * as tf from '@tensorflow/tfjs-core';
import { FastWeightError } from '../../src/native/errors';
import { relativeError } from '../../src/verify/compare';
import { nativeBackend } from './native_backend';

/** The largest relative error of outputs and of gradients on random data. */
export const tolerance = { output: 5e-7, gradient: 1e-6 };

export async function useNativeBackend(): Promise<void> {
  await tf.setBackend(nativeBackend);
  await tf.ready();
}

/** Standard normal numbers that float32 holds exactly, the same for the same seed. */
export function normals(count: number, seed: number): number[] {
  let state = seed + 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 4294967296;
  };
  for (let i = 0; i < 8; i++) uniform();
  return Array.from({ length: count }, () =>
    Math.fround(Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())),
  );
}

/** Expects `actual` within `limit` of `wanted`, as ||a - b|| / ||b||. */
export function expectClose(actual: tf.Tensor, wanted: readonly number[], limit: number): void {
  const values = actual.dataSync();
  expect(values.length).toBe(wanted.length);
  expect(relativeError(values, wanted)).toBeLessThan(limit);
}

/** The gradient of `loss` at `x` in float64, by central differences of fourth order. */
export function numericalGradient(loss: (x: number[]) => number, x: number[]): number[] {
  const step = 1e-3;
  return x.map((value, i) => {
    const at = (offset: number) => {
      const moved = x.slice();
      moved[i] = value + offset * step;
      return loss(moved);
    };
    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step);
  });
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** Expects a FastWeightError with this code and message. */
export function expectError(call: () => unknown, code: string, message: RegExp): void {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(FastWeightError);
  const { code: actualCode, message: actualMessage } = error as FastWeightError;
  expect(actualCode).toBe(code);
  expect(actualMessage).toMatch(message);
}

/** Expects that `call` leaves as many tensors, here and in native memory, as it found. */
export function expectNoLeak(call: () => void): void {
  const memory = () => {
    const { numTensors, nativeTensors, nativeBytes } = tf.memory() as tf.MemoryInfo & {
      nativeTensors: number;
      nativeBytes: number;
    };
    return { numTensors, nativeTensors, nativeBytes };
  };
  const before = memory();
  call();
  expect(memory()).toEqual(before);
}
