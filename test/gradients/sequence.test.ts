// Random-direction finite differences of the sequence operations, each composed with others, so
// that a gradient also goes through tfjs's tape with inputs shared and outputs reshaped.
import * as tf from '@tensorflow/tfjs-core';
import { gelu, silu, softplus, stepSizes, swiglu } from '../../src/ops/activations';
import { attention } from '../../src/ops/attention';
import { l2Norm, layerNorm, rmsNorm } from '../../src/ops/norms';
import { rotaryEmbedding } from '../../src/ops/rotary_embedding';
import { axialRotaryTable, rotaryEmbeddingByTable } from '../../src/ops/rotary_table';
import { slidingWindowAttention } from '../../src/ops/sliding_window_attention';
import { softmaxCrossEntropy } from '../../src/ops/softmax_cross_entropy';
import { dot, normals, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

const heads = (x: tf.Tensor): tf.Tensor4D => tf.reshape(x, [2, 12, 2, 6]);
const flat = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [24, 12]);

/** Each takes a, b [24, 12] and may take c [12]. */
type Operation = (a: tf.Tensor2D, b: tf.Tensor2D, c: tf.Tensor1D) => tf.Tensor;
const operations: Record<string, Operation> = {
  'attention of shared q and k': (a, b) => attention(heads(a), heads(a), heads(gelu(b))),
  'silu and swiglu': (a, b) => swiglu(silu(a), b),
  'softplus and stepSizes': (a, b) => tf.mul(softplus(a, 0.3), stepSizes(b, 0.01)),
  rmsNorm: (a, b, c) => tf.mul(rmsNorm(a, c), b),
  layerNorm: (a, b, c) => tf.mul(layerNorm(a, c, c), b),
  l2Norm: (a, b) => tf.mul(l2Norm(a), b),
  rotaryEmbedding: (a, b) => tf.mul(rotaryEmbedding(heads(a), { offset: 3 }), heads(b)),
  'interleaved rotaryEmbedding': (a, b) =>
    tf.mul(rotaryEmbedding(heads(a), { interleaved: true }), heads(b)),
  'rotaryEmbeddingByTable, interleaved': (a, b) => {
    const positions = Array.from({ length: 12 }, (_, t) => 0.7 * t);
    const table = axialRotaryTable([{ positions, pairs: 3 }], 100);
    return tf.mul(rotaryEmbeddingByTable(heads(a), table, { interleaved: true }), heads(b));
  },
  'slidingWindowAttention of shared q and k': (a, b) =>
    slidingWindowAttention(heads(a), heads(a), heads(b), { window: 5 }),
  'a layer': (a, b, c) => {
    const q = rotaryEmbedding(heads(rmsNorm(a, c)));
    const k = rotaryEmbedding(heads(rmsNorm(b, c)));
    const attended = slidingWindowAttention(q, k, heads(a), { window: 7 });
    return tf.add(swiglu(flat(attended), b), a);
  },
  softmaxCrossEntropy: (a, b, c) => {
    const labels = Array.from({ length: 24 }, (_, t) => (t % 13) - 1);
    const logits = tf.mul(a, layerNorm(b, c)) as tf.Tensor2D;
    return softmaxCrossEntropy(logits, tf.tensor1d(labels, 'int32'));
  },
};

test.each(Object.entries(operations))('the gradient of %s', (_, operation) => {
  const sizes = [24 * 12, 24 * 12, 12];
  const at = sizes.map((size, i) => normals(size, i));
  const directions = sizes.map((size, i) => normals(size, 10 + i));
  const tensors = (values: number[][]) =>
    [
      tf.tensor2d(values[0], [24, 12]),
      tf.tensor2d(values[1], [24, 12]),
      tf.tensor1d(values[2]),
    ] as const;
  directions.slice(operation.length).forEach((direction) => {
    direction.fill(0);
  });
  const weights = normals(24 * 12, 20);
  const loss = (...inputs: tf.Tensor[]) => {
    const output = operation(...(inputs as unknown as Parameters<Operation>));
    const count = output.size;
    return tf.sum(tf.mul(tf.reshape(output, [count]), weights.slice(0, count))) as tf.Scalar;
  };
  /** The operation's output weighted and summed in float64. */
  const lossAt = (values: number[][]) => {
    const output = [...operation(...tensors(values)).dataSync()];
    return dot(output, weights.slice(0, output.length));
  };
  const moved = (step: number) =>
    at.map((values, i) => values.map((value, j) => value + step * directions[i][j]));
  const step = 4e-3;
  const slope =
    (8 * (lossAt(moved(step)) - lossAt(moved(-step))) -
      (lossAt(moved(2 * step)) - lossAt(moved(-2 * step)))) /
    (12 * step);
  const gradients = tf.grads(loss)(tensors(at).slice(0, operation.length));
  const along = gradients.reduce(
    (sum, gradient, i) => sum + dot([...gradient.dataSync()], directions[i]),
    0,
  );
  const size = Math.sqrt(gradients.reduce((sum, g) => sum + tf.sum(tf.square(g)).dataSync()[0], 0));
  expect(size).toBeGreaterThan(0);
  // Outputs have float32's digits, so the slope has about 1e-4 of theirs.
  expect(Math.abs(along - slope) / size).toBeLessThan(2e-3);
});
