import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';

import '../../src/kernels/register';
import { AdamW } from '../../src/optimizers/adamw';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const settings = { learningRate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 1e-4, weightDecay: 0.5 };

/** The algorithm on one number, in float64. */
function byHand(start: number, gradients: number[]): number[] {
  const { learningRate: rate, beta1, beta2, epsilon, weightDecay } = settings;
  let [p, m, v] = [start, 0, 0];
  return gradients.map((g, at) => {
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const direction =
      m / (1 - beta1 ** (at + 1)) / (Math.sqrt(v / (1 - beta2 ** (at + 1))) + epsilon);
    p -= rate * (weightDecay * p + direction);
    return p;
  });
}

function apply(optimizer: AdamW, variable: tf.Variable, gradient: number[]): void {
  tf.tidy(() => {
    const tensor = tf.tensor(gradient, variable.shape);
    optimizer.applyGradients([{ name: variable.name, tensor }]);
  });
}

test('the first step is the sign of the gradient, plus the decay', () => {
  const variable = tf.variable(tf.tensor1d([2, -4, 1]));
  const optimizer = new AdamW({ learningRate: 0.5, epsilon: 0, weightDecay: 0.1 });
  apply(optimizer, variable, [3, 1e-3, -7]);
  // 2 - 0.5 (0.2 + 1), -4 - 0.5 (-0.4 + 1), 1 - 0.5 (0.1 - 1)
  [1.4, -4.3, 1.45].forEach((wanted, at) => {
    expect(variable.dataSync()[at]).toBeCloseTo(wanted, 5);
  });
  optimizer.dispose();
  variable.dispose();
});

test('follows the algorithm over several steps', () => {
  const variable = tf.variable(tf.tensor1d([1, -2]));
  const optimizer = new AdamW(settings);
  const [first, second] = [
    [0.3, -0.1, 0, 2],
    [-5, 1e-3, 4, 4],
  ];
  const wanted = [byHand(1, first), byHand(-2, second)];
  for (let step = 0; step < 4; step++) {
    apply(optimizer, variable, [first[step], second[step]]);
    const values = variable.dataSync();
    expect(values[0]).toBeCloseTo(wanted[0][step], 5);
    expect(values[1]).toBeCloseTo(wanted[1][step], 5);
  }
  optimizer.dispose();
  variable.dispose();
});

test.each(['cpu', 'fastweight-cpu'])("on %s 'matrices' leaves vectors undecayed", async (name) => {
  await tf.setBackend(name);
  const options = { learningRate: 0.5, weightDecay: 0.1 };
  const wanted = { all: [0.95, 0.95], matrices: [1, 0.95] } as const;
  for (const decayed of ['all', 'matrices'] as const) {
    const variables = [tf.variable(tf.tensor1d([1])), tf.variable(tf.tensor2d([[1]]))];
    const optimizer = new AdamW({ ...options, decayed });
    tf.tidy(() =>
      optimizer.applyGradients(
        variables.map((variable) => ({ name: variable.name, tensor: tf.zerosLike(variable) })),
      ),
    );
    variables.forEach((variable, at) => {
      expect(variable.dataSync()[0]).toBeCloseTo(wanted[decayed][at], 6);
    });
    tf.dispose(variables);
    optimizer.dispose();
  }
  await tf.setBackend('cpu');
});

test('minimizes through tf.Optimizer.minimize', () => {
  const variable = tf.variable(tf.scalar(5));
  const optimizer = new AdamW({ learningRate: 0.3, weightDecay: 0 });
  for (let step = 0; step < 200; step++) {
    optimizer.minimize(() => tf.square(tf.sub(variable, 2)) as tf.Scalar, false, [variable]);
  }
  expect(variable.dataSync()[0]).toBeCloseTo(2, 2);
  optimizer.dispose();
  variable.dispose();
});

test('goes on from its weights bit for bit, and leaves nothing behind', async () => {
  const before = tf.memory().numTensors;
  const variable = tf.tidy(() => tf.variable(tf.tensor1d([1, -2])));
  const optimizer = new AdamW(settings);
  apply(optimizer, variable, [1, 2]);
  const weights = await optimizer.getWeights();
  const value = variable.clone();
  expect(weights.map(({ name }) => name.replace(variable.name, 'x'))).toEqual([
    'iter',
    'x/first',
    'x/second',
  ]);
  const copies = weights.map(({ name, tensor }) => ({ name, tensor: tensor.clone() }));
  weights[0].tensor.dispose();
  apply(optimizer, variable, [-3, 0.5]);
  const unbroken = variable.dataSync();

  const other = new AdamW(settings);
  await other.setWeights(copies);
  tf.dispose(copies.map(({ tensor }) => tensor));
  variable.assign(value);
  apply(other, variable, [-3, 0.5]);
  expect(variable.dataSync()).toEqual(unbroken);
  optimizer.dispose();
  other.dispose();
  tf.dispose([variable, value]);
  expect(tf.memory().numTensors).toBe(before);
});

test('refuses weights that are not its variables’, and keeps its own', async () => {
  const variable = tf.variable(tf.tensor1d([1, -2]));
  const optimizer = new AdamW(settings);
  apply(optimizer, variable, [1, 2]);
  const iter = { name: 'iter', tensor: tf.scalar(4, 'int32') };
  const moment = (slot: string, shape: number[], name = variable.name) => ({
    name: `${name}/${slot}`,
    tensor: tf.ones(shape),
  });
  const bad = [
    [],
    [iter],
    [moment('first', [2]), moment('second', [2])],
    [iter, moment('first', [2])],
    [iter, moment('second', [2]), moment('first', [2])],
    [iter, moment('first', [2]), moment('second', [3])],
    [iter, moment('first', [2], 'nobody'), moment('second', [2], 'nobody')],
  ];
  for (const weights of bad) {
    await expect(optimizer.setWeights(weights)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
  }
  const kept = await optimizer.getWeights();
  expect(kept.map(({ tensor }) => tensor.dataSync()[0])).toEqual([
    1,
    expect.closeTo(0.2, 6),
    expect.closeTo(0.1, 6),
  ]);
  optimizer.dispose();
});

test('is serializable under its name', () => {
  const { classNameMap } = tf.serialization.SerializationMap.getMap();
  const [cls, fromConfig] = classNameMap.AdamW;
  const optimizer = new AdamW(settings);
  expect(optimizer.getClassName()).toBe('AdamW');
  expect(fromConfig(cls, optimizer.getConfig()).getConfig()).toEqual({
    ...settings,
    decayed: 'all',
  });
});

test.each([
  [{ learningRate: -1 }, 'Expected a finite number of at least 0 for learningRate but got -1'],
  [{ beta1: 1 }, 'Expected a number in [0, 1) for beta1 but got 1'],
  [{ beta2: Number.NaN }, 'Expected a number in [0, 1) for beta2 but got NaN'],
  [{ epsilon: Infinity }, 'Expected a finite number of at least 0 for epsilon but got Infinity'],
  [{ weightDecay: -0.1 }, 'Expected a finite number of at least 0 for weightDecay but got -0.1'],
])('%j is refused', (options, message) => {
  expect(() => new AdamW(options)).toThrow(message);
  const optimizer = new AdamW();
  expect(() => {
    optimizer.learningRate = Number.NaN;
  }).toThrow('for learningRate but got NaN');
});
