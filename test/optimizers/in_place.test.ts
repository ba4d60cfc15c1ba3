// Native steps change variables in place; nobody else may see it.
import * as tf from '@tensorflow/tfjs-core';
import { AdamW } from '../../src/optimizers/adamw';
import { Muon } from '../../src/optimizers/muon';
import {
  expectClose,
  expectError,
  expectNoLeak,
  normals,
  useNativeBackend,
} from '../support/operations';

beforeAll(useNativeBackend);

const shapes = [[300, 70], [5], [], [2, 3, 4], [40000]];

function variables(): tf.Variable[] {
  return shapes.map((shape, at) =>
    tf.tidy(() => tf.variable(tf.tensor(normals(tf.util.sizeFromShape(shape), at), shape))),
  );
}

/** Three steps; the values of the variables after them. */
function trained(optimizer: tf.Optimizer): Float32Array[] {
  const trainables = variables();
  for (let step = 0; step < 3; step++) {
    tf.tidy(() => {
      optimizer.applyGradients(
        trainables.map(({ name, shape, size }, at) => ({
          name,
          tensor: tf.tensor(normals(size, 10 * step + at), shape),
        })),
      );
    });
  }
  const values = trainables.map((each) => each.dataSync() as Float32Array);
  optimizer.dispose();
  tf.dispose(trainables);
  return values;
}

test.each([
  ['AdamW', () => new AdamW({ learningRate: 0.01 })],
  ['Muon', () => new Muon({ weightDecay: 0.1 })],
])('%s gives natively what tfjs operations give', async (_, make) => {
  const native = trained(make());
  await tf.setBackend('cpu');
  const plain = trained(make());
  await tf.setBackend('fastweight-cpu');
  native.forEach((values, at) => {
    tf.tidy(() => expectClose(tf.tensor(values), [...plain[at]], 2e-6));
  });
});

test('neither clones, nor variables that share memory, nor gradients are changed', () => {
  const start = tf.tensor([1, 2, 3]);
  const [one, two] = [tf.variable(start), tf.variable(start)];
  const clone = one.clone();
  const optimizer = new AdamW({ learningRate: 0.5, weightDecay: 0 });
  // Its own values are the gradient of one.
  tf.tidy(() => optimizer.applyGradients({ [one.name]: tf.clone(one) }));
  expectClose(one, [0.5, 1.5, 2.5], 1e-6);
  for (const other of [start, two, clone]) expect([...other.dataSync()]).toEqual([1, 2, 3]);
  const { dataId } = one;
  tf.tidy(() => optimizer.applyGradients({ [one.name]: tf.clone(two) }));
  expect(one.dataId).toBe(dataId);
  optimizer.dispose();
  tf.dispose([start, one, two, clone]);
});

test('weights that an optimizer gave out keep their values when cloned', async () => {
  const [variable] = variables();
  const optimizer = new Muon();
  const step = () => tf.tidy(() => optimizer.applyGradients({ [variable.name]: variable.clone() }));
  step();
  const [, momentum] = await optimizer.getWeights();
  const clone = momentum.tensor.clone();
  const values = clone.dataSync();
  step();
  expect(clone.dataSync()).toEqual(values);
  expect(momentum.tensor.dataSync()).not.toEqual(values);
});

test('a step leaves no tensor behind', () => {
  for (const optimizer of [new AdamW(), new Muon()]) {
    expectNoLeak(() => trained(optimizer));
  }
});

test('wrong gradients are refused before anything is changed', () => {
  const [variable, vector] = variables();
  const optimizer = new AdamW();
  const apply = (name: string, shape: number[]) =>
    tf.tidy(() =>
      optimizer.applyGradients([
        { name: vector.name, tensor: tf.ones([5]) },
        { name, tensor: tf.ones(shape) },
      ]),
    );
  const before = vector.dataSync();
  expectError(
    () => apply('nobody', [2]),
    'ERR_ARGUMENT',
    /each once for gradients but got 'nobody'/,
  );
  expectError(() => apply(vector.name, [5]), 'ERR_ARGUMENT', /twice/);
  expectError(() => apply(variable.name, [70, 300]), 'ERR_SHAPE', /shape \[300,70\]/);
  expect(vector.dataSync()).toEqual(before);
  expect(optimizer.iterations).toBe(0);
});
