// Random-direction finite differences of the fast-weight operations, through the output and the
// final weights. The golden cases hold the same gradients to float64; these have other shapes.
import * as tf from '@tensorflow/tfjs-core';
import { type FastWeightScanOptions, fastWeightScan, newtonSchulz, programs } from '../../src';
import { nativeBackend } from '../support/native_backend';
import { normal3, uniform3 } from '../support/random_tensors';
import { directionalError } from './gradient_check';

const [rows, tokens, keyDim, hidden, valueDim] = [2, 36, 6, 9, 5];

beforeAll(async () => {
  await tf.setBackend(nativeBackend);
});

const settings: [string, FastWeightScanOptions][] = [
  ['gradient steps', {}],
  ['pre-norm', { weightNorm: 'pre' }],
  ['no norm', { weightNorm: 'none' }],
  ['Muon', { optimizer: 'muon' }],
  ['Muon, pre-norm, recomputed', { optimizer: 'muon', weightNorm: 'pre', memory: 'recompute' }],
];

test.each(settings)('the gradient of fastWeightScan with momentum and %s', (_name, options) => {
  tf.tidy(() => {
    const given = [
      normal3([rows, tokens, keyDim], 1),
      normal3([rows, tokens, keyDim], 2),
      normal3([rows, tokens, valueDim], 3),
      // Muon's steps do not depend on the rates' size, and bend sharply where rates come near 0.
      options.optimizer === 'muon'
        ? tf.add(uniform3([rows, tokens, 3], 4), 0.5)
        : tf.mul(uniform3([rows, tokens, 3], 4), 0.05),
      uniform3([rows, tokens, 1], 5),
      normal3([rows, hidden, keyDim], 6),
      normal3([rows, valueDim, hidden], 7),
      normal3([rows, hidden, keyDim], 8),
    ];
    const scan = (...inputs: tf.Tensor[]) => {
      const [q, k, v, rates, momentum, w0, w1, w2] = inputs as tf.Tensor3D[];
      const { output, state } = fastWeightScan(
        { q, k, v, rates, momentum },
        { w0, w1, w2 },
        programs.shiftedCausal(tokens, 12),
        options,
      );
      const results = [output, state.weights.w0, state.weights.w1, state.weights.w2];
      return tf.concat(results.map((result) => tf.reshape(result, [-1])));
    };
    expect(directionalError(scan, given, 1e-3)).toBeLessThan(1e-2);
  });
});

test.each([
  [[2, 8, 20], 'you5'],
  [[1, 15, 7], 'keller3'],
] as const)('the gradient of newtonSchulz of %j with %s', (shape, schedule) => {
  const iterate = (d: tf.Tensor) => newtonSchulz(d as tf.Tensor3D, schedule);
  expect(directionalError(iterate, [normal3([...shape], 9)], 1e-2)).toBeLessThan(1e-2);
});
