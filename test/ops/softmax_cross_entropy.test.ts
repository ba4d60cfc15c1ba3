import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { softmaxCrossEntropy } from '../../src/ops/softmax_cross_entropy';
import {
  expectClose,
  expectError,
  expectNoLeak,
  normals,
  tolerance,
  useNativeBackend,
} from '../support/operations';

beforeAll(useNativeBackend);

/** The loss and its gradient in float64. */
function float64(logits: number[], labels: number[], classes: number) {
  const counted = labels.filter((label) => label >= 0).length;
  let loss = 0;
  const gradient = logits.map(() => 0);
  labels.forEach((label, row) => {
    if (label < 0) return;
    const x = logits.slice(row * classes, (row + 1) * classes);
    const largest = Math.max(...x);
    const sum = x.reduce((total, value) => total + Math.exp(value - largest), 0);
    loss += (Math.log(sum) + largest - x[label]) / counted;
    x.forEach((value, i) => {
      const probability = Math.exp(value - largest) / sum;
      gradient[row * classes + i] = (probability - (i === label ? 1 : 0)) / counted;
    });
  });
  return { loss, gradient };
}

const cases: [string, number, number, number][] = [
  ['one token', 1, 2, 1],
  ['few classes', 40, 3, 1],
  ['bytes', 130, 256, 1],
  ['a vocabulary', 5, 10_007, 1],
  ['confident logits', 60, 50, 12],
];

describe.each(cases)('softmaxCrossEntropy, %s', (_, tokens, classes, spread) => {
  const logits = normals(tokens * classes, 1).map((value) => Math.fround(value * spread));
  const labels = normals(tokens, 2).map((value, t) =>
    t % 5 === 3 ? -100 : Math.floor(Math.abs(value) * 1000) % classes,
  );
  const wanted = float64(logits, labels, classes);
  const inputs = () =>
    [tf.tensor2d(logits, [tokens, classes]), tf.tensor1d(labels, 'int32')] as const;

  test('matches float64', () => {
    const loss = softmaxCrossEntropy(...inputs());
    expect(loss.shape).toEqual([]);
    expectClose(loss, [wanted.loss], tolerance.output);
  });

  test('has a gradient that matches float64', () => {
    const [x, y] = inputs();
    const gradient = tf.grad((at) => tf.mul(3, softmaxCrossEntropy(at as tf.Tensor2D, y)))(x);
    const tripled = wanted.gradient.map((value) => 3 * value);
    expectClose(gradient, tripled, tolerance.gradient);
  });
});

describe('softmaxCrossEntropy', () => {
  const logits = tf.tensor2d(normals(12, 1), [3, 4]);
  const labels = (...values: number[]) => tf.tensor1d(values, 'int32');

  test('of tokens that all do not count is 0, and so is its gradient', () => {
    const { value, grad } = tf.valueAndGrad((x) =>
      softmaxCrossEntropy(x as tf.Tensor2D, labels(-1, -100, -7)),
    )(logits);
    expect(value.dataSync()[0]).toBe(0);
    expect([...grad.dataSync()]).toEqual(Array(12).fill(0));
  });

  test('takes logits far apart', () => {
    const far = tf.tensor2d([1e4, -1e4, 0, 3e38, 0, -3e38], [2, 3]);
    expect(softmaxCrossEntropy(far, labels(0, 0)).dataSync()[0]).toBe(0);
    expect(softmaxCrossEntropy(far, labels(1, -1)).dataSync()[0]).toBe(20000);
  });

  test('leaves no tensor behind, forward, backward and where it throws', () => {
    const right = labels(0, 1, 3);
    const wrong = labels(0, 1, 4);
    expectNoLeak(() => {
      softmaxCrossEntropy(logits, right).dispose();
      tf.grad((x) => softmaxCrossEntropy(x as tf.Tensor2D, right))(logits).dispose();
      expect(() => softmaxCrossEntropy(logits, wrong)).toThrow();
    });
  });

  test('refuses a label beyond the classes', () =>
    expectError(
      () => softmaxCrossEntropy(logits, labels(0, 4, 1)),
      'ERR_RANGE',
      /^Expected classes below 4 for labels but got 4 at position 1/,
    ));

  test('refuses labels of another dtype', () =>
    expectError(
      () => softmaxCrossEntropy(logits, tf.tensor1d([0, 1, 2])),
      'ERR_DTYPE',
      /^Expected dtype int32 for labels but got float32/,
    ));

  test('refuses labels of another count', () =>
    expectError(
      () => softmaxCrossEntropy(logits, labels(0, 1)),
      'ERR_SHAPE',
      /^Expected shape \[3\] for labels but got shape \[2\]/,
    ));

  test('refuses logits of another rank', () =>
    expectError(
      () => softmaxCrossEntropy(tf.ones([2, 3, 4]) as never, labels(0, 1)),
      'ERR_SHAPE',
      /^Expected shape \[tokens, classes\] for logits but got/,
    ));
});
