import '../../src';
import * as tf from '@tensorflow/tfjs-core';
import { fastWeightScanOutput, programs } from '../../src';
import type { FastWeightBackend } from '../../src/backend/fastweight_backend';
import type { ScanMemory } from '../../src/native/fast_weight_addon';
import { nativeBackend } from '../support/native_backend';
import { normal3, uniform3 } from '../support/random_tensors';

const [rows, chunk, width] = [2, 256, 32];

/** Bytes at the peak of a forward and backward over `tokens` tokens, inputs included. */
function peakBytes(tokens: number, memory: ScanMemory): number {
  const given = tf.tidy(() => [
    normal3([rows, tokens, width], 1),
    normal3([rows, tokens, width], 2),
    normal3([rows, tokens, width], 3),
    uniform3([rows, tokens, 3], 4),
    uniform3([rows, tokens, 1], 5),
    ...[6, 7, 8].map((seed) => normal3([rows, width, width], seed)),
  ]);
  const scan = (...inputs: tf.Tensor[]) => {
    const [q, k, v, rates, momentum, w0, w1, w2] = inputs as tf.Tensor3D[];
    const program = programs.shiftedCausal(tokens, chunk);
    const options = { optimizer: 'muon', memory } as const;
    return fastWeightScanOutput({ q, k, v, rates, momentum }, { w0, w1, w2 }, program, options);
  };
  const { addon } = tf.backend() as FastWeightBackend;
  const cotangent = normal3([rows, tokens, width], 9);
  addon.resetPeakBytes();
  // What is in use now: the inputs, and what the device holds for good.
  const before =
    addon.memory().peakBytes - 4 * cotangent.size - given.reduce((sum, x) => sum + 4 * x.size, 0);
  tf.dispose(tf.grads(scan)(given, cotangent));
  const peak = addon.memory().peakBytes - before;
  tf.dispose([given, cotangent]);
  return peak;
}

beforeAll(async () => {
  await tf.setBackend(nativeBackend);
  peakBytes(chunk, 'recompute'); // what a device's first scan makes stays
});

test('a recomputing backward needs inputs, outputs, gradients, boundary states and a fixed workspace', () => {
  const state = 3 * rows * width * width * 4;
  // Per token: q, k, v, rates and momentum, their gradients, the output and its cotangent.
  const token = rows * 4 * (2 * (3 * width + 4) + 2 * width);
  // What is left when the parts that grow are taken away: it may not grow.
  const workspace = (tokens: number) => {
    const updates = tokens / chunk - 1;
    return peakBytes(tokens, 'recompute') - tokens * token - 2 * updates * state;
  };
  const [small, large] = [workspace(8 * chunk), workspace(64 * chunk)];
  expect(small).toBeGreaterThan(0);
  expect(large - small).toBe(0);
});

test('the more is kept, the more memory it takes', () => {
  const tokens = 16 * chunk;
  const [stored, activations, recomputed] = (['store', 'activations', 'recompute'] as const).map(
    (memory) => peakBytes(tokens, memory),
  );
  expect(stored).toBeGreaterThan(1.05 * activations);
  expect(activations).toBeGreaterThan(1.2 * recomputed);
});
