import * as tf from '@tensorflow/tfjs-core';
import { Muon, type MuonOptions } from '../../src/optimizers/muon';
import { expectClose, expectError, normals, useNativeBackend } from '../support/operations';

beforeAll(useNativeBackend);

type Matrix = number[][];

const transposed = (x: Matrix): Matrix => x[0].map((_, j) => x.map((row) => row[j]));
const product = (x: Matrix, y: Matrix): Matrix =>
  x.map((row) => transposed(y).map((column) => row.reduce((sum, a, k) => sum + a * column[k], 0)));
const combined = (a: number, x: Matrix, b: number, y: Matrix): Matrix =>
  x.map((row, i) => row.map((value, j) => a * value + b * y[i][j]));

/** The iteration in float64. */
function orthogonalised(d: Matrix): Matrix {
  if (d.length > d[0].length) return transposed(orthogonalised(transposed(d)));
  const norm = Math.hypot(...d.flat()) + 1e-7;
  let x = combined(1 / norm, d, 0, d);
  for (let step = 0; step < 5; step++) {
    const gram = product(x, transposed(x));
    const polynomial = combined(-4.775, gram, 2.0315, product(gram, gram));
    x = combined(3.4445, x, 1, product(polynomial, x));
  }
  return x;
}

const matrixOf = (values: readonly number[], columns: number): Matrix =>
  Array.from({ length: values.length / columns }, (_, i) =>
    values.slice(i * columns, (i + 1) * columns),
  );

/** Muon's steps on one matrix in float64. */
function byHand(start: Matrix, gradients: Matrix[], nesterov: boolean, scale: number): Matrix {
  let [p, m] = [start, combined(0, start, 0, start)];
  for (const g of gradients) {
    m = combined(0.9, m, 1 - 0.9, g);
    const update = orthogonalised(nesterov ? combined(0.9, m, 1 - 0.9, g) : m);
    p = combined(1 - 0.1 * 0.5, p, -0.1 * scale, update);
  }
  return p;
}

const settings = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.5 };

function variable(shape: number[], seed: number): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(normals(tf.util.sizeFromShape(shape), seed), shape)));
}

function apply(optimizer: tf.Optimizer, variables: tf.Variable[], seed: number): void {
  tf.tidy(() => {
    optimizer.applyGradients(
      variables.map(({ name, shape, size }, at) => ({
        name,
        tensor: tf.tensor(normals(size, seed + 100 * at), shape),
      })),
    );
  });
}

const backends = ['fastweight-cpu', 'cpu'];

describe.each(backends)('on %s', (backend) => {
  beforeAll(() => tf.setBackend(backend));
  afterAll(() => tf.setBackend('fastweight-cpu'));

  test.each<[number[], MuonOptions, number]>([
    [[6, 4], {}, Math.sqrt(6 / 4)],
    [[4, 6], { nesterov: false }, 1],
    [[4, 6], { scaling: 'rms' }, 0.2 * Math.sqrt(6)],
    [[6, 4], { scaling: 'none', nesterov: false }, 1],
  ])('follows the algorithm on a matrix %j with %j', (shape, options, scale) => {
    const matrix = variable(shape, 1);
    const start = matrixOf([...matrix.dataSync()], shape[1]);
    const optimizer = new Muon({ ...settings, ...options });
    const gradients = [11, 12, 13].map((seed) => matrixOf(normals(24, seed), shape[1]));
    for (const seed of [11, 12, 13]) apply(optimizer, [matrix], seed);
    const wanted = byHand(start, gradients, options.nesterov ?? true, scale).flat();
    expectClose(matrix, wanted, 5e-6);
    optimizer.dispose();
    matrix.dispose();
  });

  test('a batch of matrices goes as each alone would, beside others of its shape', () => {
    const batch = variable([3, 8, 5], 1);
    const others = [variable([5, 8], 2), variable([16, 16], 3)];
    const alone = tf.tidy(() => tf.unstack(batch).map((matrix) => tf.variable(matrix)));
    const optimizer = new Muon(settings);
    const singles = alone.map(() => new Muon(settings));
    for (const seed of [21, 22]) {
      apply(optimizer, [batch, ...others], seed);
      tf.tidy(() => {
        const gradients = tf.unstack(tf.tensor(normals(120, seed), [3, 8, 5]));
        alone.forEach(({ name }, at) => {
          singles[at].applyGradients({ [name]: gradients[at] });
        });
      });
    }
    expectClose(
      batch,
      alone.flatMap((matrix) => [...matrix.dataSync()]),
      2e-6,
    );
    for (const each of [optimizer, ...singles]) each.dispose();
    tf.dispose([batch, ...others, ...alone]);
  });

  test('what is not a matrix, or excluded, goes through AdamW at its own rate', () => {
    const vector = variable([3], 1);
    const table = tf.tidy(() => tf.variable(tf.ones([2, 2]), true, `my_embeddings_${backend}`));
    const matrix = variable([2, 2], 2);
    const optimizer = new Muon({ learningRate: 0.2, adamWRate: 0.5, adamW: { epsilon: 0 } });
    expect([vector, table, matrix].map((each) => optimizer.isMatrix(each))).toEqual([
      false,
      false,
      true,
    ]);
    const before = [...vector.dataSync()];
    tf.tidy(() => {
      optimizer.applyGradients({
        [vector.name]: tf.tensor([3, -1e-3, 7]),
        [table.name]: tf.tensor([1, -1, 1, -1], [2, 2]),
      });
    });
    expectClose(vector, [before[0] - 0.1, before[1] + 0.1, before[2] - 0.1], 1e-6);
    expectClose(table, [0.9, 1.1, 0.9, 1.1], 1e-6);
    optimizer.dispose();
    tf.dispose([vector, table, matrix]);
  });

  test('goes on from its weights bit for bit, and leaves nothing behind', async () => {
    const before = tf.memory().numTensors;
    const variables = [variable([4, 3], 1), variable([5], 2), variable([2, 3, 4], 3)];
    const optimizer = new Muon(settings);
    apply(optimizer, variables, 31);
    const weights = await optimizer.getWeights();
    const names = weights.map(({ name }) => name.slice(name.lastIndexOf('/') + 1));
    expect(names).toEqual(['iter', 'momentum', 'momentum', 'first', 'second']);
    const copies = weights.map(({ name, tensor }) => ({ name, tensor: tensor.clone() }));
    weights[0].tensor.dispose();
    const values = variables.map((each) => each.clone());
    apply(optimizer, variables, 32);
    const unbroken = variables.map((each) => each.dataSync());

    const other = new Muon(settings);
    await other.setWeights(copies);
    tf.dispose(copies.map(({ tensor }) => tensor));
    variables.forEach((each, at) => {
      each.assign(values[at]);
    });
    apply(other, variables, 32);
    expect(variables.map((each) => each.dataSync())).toEqual(unbroken);
    optimizer.dispose();
    other.dispose();
    tf.dispose([...variables, ...values]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('refuses weights that are not its variables’, and keeps its own', async () => {
  const [matrix, vector] = [variable([2, 2], 1), variable([2], 2)];
  const optimizer = new Muon(settings);
  apply(optimizer, [matrix, vector], 41);
  const kept = (await optimizer.getWeights()).map(({ tensor }) => tensor.dataSync());
  const iter = { name: 'iter', tensor: tf.scalar(4, 'int32') };
  const slot = ({ name, shape }: tf.Variable, kind: string) => ({
    name: `${name}/${kind}`,
    tensor: tf.ones(shape),
  });
  const bad = [
    [],
    [iter],
    [iter, slot(matrix, 'first'), slot(matrix, 'second')],
    [iter, slot(vector, 'momentum')],
    [iter, slot(matrix, 'momentum'), slot(vector, 'first')],
    [iter, { ...slot(matrix, 'momentum'), tensor: tf.ones([4]) }],
  ];
  for (const weights of bad) {
    await expect(optimizer.setWeights(weights)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT' });
  }
  expect((await optimizer.getWeights()).map(({ tensor }) => tensor.dataSync())).toEqual(kept);
  optimizer.dispose();
});

test('is serializable under its name', () => {
  const { classNameMap } = tf.serialization.SerializationMap.getMap();
  const [cls, fromConfig] = classNameMap.Muon;
  const optimizer = new Muon({ ...settings, newtonSchulz: [[3, -4, 2]], exclude: ['head'] });
  optimizer.learningRate = 0;
  const config = JSON.parse(JSON.stringify(optimizer.getConfig()));
  expect(config).toMatchObject({ learningRate: 0, newtonSchulz: [[3, -4, 2]], exclude: ['head'] });
  expect(fromConfig(cls, config).getConfig()).toEqual(config);
});

test.each<[MuonOptions, string, string]>([
  [{ learningRate: -1 }, 'ERR_RANGE', 'a finite number of at least 0 for learningRate but got -1'],
  [{ momentum: 1 }, 'ERR_RANGE', 'a number in [0, 1) for momentum but got 1'],
  [{ adamW: { beta1: 2 } }, 'ERR_RANGE', 'a number in [0, 1) for beta1 but got 2'],
  [{ newtonSchulz: 'mine' }, 'ERR_ARGUMENT', 'for newtonSchulz but got "mine"'],
  [{ scaling: 'big' as 'rms' }, 'ERR_ARGUMENT', "for scaling but got 'big'"],
])('%j is refused', (options, code, message) => {
  const pattern = new RegExp(message.replace(/[[\]()]/g, '\\$&'));
  expectError(() => new Muon(options), code, pattern);
});
