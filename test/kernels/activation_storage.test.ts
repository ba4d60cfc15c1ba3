// Tensors stored as bfloat16: every kernel takes them, on a device that has them.
import * as tf from '@tensorflow/tfjs-core';
import { activationStorage, setActivationStorage } from '../../src/backend/activation_storage';
import type { FastWeightBackend } from '../../src/backend/fastweight_backend';
import { setMatmulPrecision } from '../../src/backend/matmul_precision';
import { programs } from '../../src/index';
import { copyRanges } from '../../src/kernels/copy_ranges';
import { linear, storedLinear } from '../../src/layers/linear';
import { gelu, geluTanh, silu, stepSizes, swiglu } from '../../src/ops/activations';
import { attention } from '../../src/ops/attention';
import { fastWeightScan } from '../../src/ops/fast_weight_scan';
import { newtonSchulz } from '../../src/ops/newton_schulz';
import { l2Norm, layerNorm, rmsNorm } from '../../src/ops/norms';
import { dropout } from '../../src/ops/random';
import { rotaryEmbedding } from '../../src/ops/rotary_embedding';
import { rotaryEmbeddingByTable } from '../../src/ops/rotary_table';
import { slidingWindowAttention } from '../../src/ops/sliding_window_attention';
import { softmaxCrossEntropy } from '../../src/ops/softmax_cross_entropy';
import { storeActivation } from '../../src/ops/store_activation';
import { AdamW } from '../../src/optimizers/adamw';
import { Muon } from '../../src/optimizers/muon';
import { nativeBackend } from '../support/native_backend';
import { expectError, expectNoLeak, normals, useNativeBackend } from '../support/operations';
import { kernelCases } from './kernel_cases';

/** `values` rounded to bfloat16, to the nearest with ties to even, by their bits. */
function rounded(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.slice().buffer);
  for (let i = 0; i < bits.length; i++) {
    if (Number.isNaN(values[i])) continue;
    const isUp = (bits[i] & 0xffff) + ((bits[i] >>> 16) & 1) > 0x8000;
    bits[i] = ((bits[i] >>> 16) + (isUp ? 1 : 0)) << 16;
  }
  return new Float32Array(bits.buffer);
}

const backend = () => tf.backend() as FastWeightBackend;
const isStored = (x: tf.Tensor) => backend().addon.isBfloat16(backend().handleOf(x));
const nativeBytes = () => backend().addon.memory().bytes;

/** Runs `run` with what `change` makes of every float32 tensor that is made of values. */
function withInputs<T>(change: (id: tf.DataId, size: number) => tf.DataId, run: () => T): T {
  const current = backend();
  const write = current.write;
  current.write = (values, shape, dtype) => {
    const id = write.call(current, values, shape, dtype);
    return dtype === 'float32' ? change(id, values.length) : id;
  };
  try {
    return run();
  } finally {
    current.write = write;
  }
}

function storedInput(id: tf.DataId, size: number): tf.DataId {
  const { addon } = backend();
  const handle = backend().handleOf({ dataId: id, shape: [size], dtype: 'float32' });
  const stored = backend().adopt(addon.storeBfloat16(handle, size), [size], 'float32');
  backend().disposeData(id);
  return stored.dataId;
}

function roundedInput(id: tf.DataId, size: number): tf.DataId {
  const { addon } = backend();
  const handle = backend().handleOf({ dataId: id, shape: [size], dtype: 'float32' });
  addon.write(handle, rounded(backend().readSync(id) as Float32Array));
  return id;
}

/** The values of what `run` returns. */
function valuesOf(run: () => tf.Tensor | tf.Tensor[]): ArrayLike<number>[] {
  return tf.tidy(() => {
    const result = run();
    const values = [result].flat().map((tensor) => tensor.dataSync());
    return values as unknown as tf.Tensor[];
  }) as unknown as ArrayLike<number>[];
}

/** Expects the same of stored inputs as of float32 inputs of the same values, bit for bit. */
function expectSame(run: () => tf.Tensor | tf.Tensor[]): void {
  const wanted = withInputs(roundedInput, () => valuesOf(run));
  const actual = withInputs(storedInput, () => valuesOf(run));
  expect(actual).toEqual(wanted);
}

const floats = (shape: number[], seed: number) =>
  tf.tensor(normals(tf.util.sizeFromShape(shape), seed), shape);
const heads = (seed: number) => floats([2, 9, 2, 8], seed) as tf.Tensor4D;

function scanInputs(keyDim: number, valueDim: number) {
  return {
    q: floats([2, 12, keyDim], 1) as tf.Tensor3D,
    k: floats([2, 12, keyDim], 2) as tf.Tensor3D,
    v: floats([2, 12, valueDim], 3) as tf.Tensor3D,
    rates: tf.abs(floats([2, 12, 3], 4)) as tf.Tensor3D,
    momentum: tf.sigmoid(floats([2, 12, 1], 5)) as tf.Tensor3D,
    w0: floats([2, 7, keyDim], 6) as tf.Tensor3D,
    w1: floats([2, valueDim, 7], 7) as tf.Tensor3D,
    w2: floats([2, 7, keyDim], 8) as tf.Tensor3D,
  };
}

function scanned(options: object) {
  return (...tensors: tf.Tensor[]): tf.Tensor[] => {
    const [q, k, v, rates, momentum, w0, w1, w2] = tensors as tf.Tensor3D[];
    const program = programs.shiftedCausal(12, 5);
    const inputs = { q, k, v, rates, momentum };
    const { output, state } = fastWeightScan(inputs, { w0, w1, w2 }, program, options);
    return [output, state.weights.w0, state.weights.w1];
  };
}

type Op = (...inputs: never[]) => tf.Tensor | tf.Tensor[];

/** Our own operations and the shapes of their inputs, all of which have gradients. */
const operations: Record<string, [op: Op, ...shapes: number[][]]> = {
  silu: [silu, [5, 9]],
  gelu: [gelu, [5, 9]],
  stepSizes: [(x: tf.Tensor) => stepSizes(x, 0.01), [5, 9]],
  swiglu: [swiglu, [5, 9], [5, 9]],
  rmsNorm: [rmsNorm, [7, 12], [12]],
  layerNorm: [layerNorm, [7, 12], [12], [12]],
  l2Norm: [l2Norm, [7, 12]],
  dropout: [(x: tf.Tensor) => dropout(x, 0.3, 5), [7, 12]],
  rotaryEmbedding: [rotaryEmbedding, [2, 9, 2, 8]],
  attention: [attention, ...[1, 2, 3].map(() => [2, 9, 2, 8])],
  slidingWindowAttention: [
    (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D) =>
      slidingWindowAttention(q, k, v, { window: 4 }),
    ...[1, 2, 3].map(() => [2, 9, 2, 8]),
  ],
  'attention of wide heads': [attention, ...[1, 2, 3].map(() => [1, 5, 1, 260])],
  'attention of one tensor': [(x: tf.Tensor4D) => attention(x, x, x), [2, 9, 2, 8]],
  softmaxCrossEntropy: [
    (x: tf.Tensor2D) => softmaxCrossEntropy(x, tf.tensor1d([0, 3, -1, 6, 2], 'int32')),
    [5, 7],
  ],
  newtonSchulz: [(x: tf.Tensor3D) => newtonSchulz(x), [2, 6, 9]],
  matMul: [(a: tf.Tensor2D, b: tf.Tensor2D) => tf.matMul(a, b, true), [9, 5], [9, 12]],
  'matMul of operands read as they are': [tf.matMul, [2, 9, 16], [2, 16, 24]],
  linear: [linear, [2, 5, 16], [8, 16], [8]],
  conv2d: [
    (x: tf.Tensor4D, filter: tf.Tensor4D) => tf.conv2d(x, filter, 1, 'same'),
    [1, 5, 5, 3],
    [3, 3, 3, 4],
  ],
};

const storesBfloat16 = nativeBackend.startsWith('fastweight-cuda');

beforeAll(useNativeBackend);
afterEach(() => setActivationStorage('float32'));

test('float32 is what activations start with, and leaves them as they are', () => {
  expect(activationStorage()).toBe('float32');
  const x = floats([3], 1);
  expect(storeActivation(x)).toBe(x);
  x.dispose();
  expectError(() => storeActivation(x), 'ERR_DISPOSED', /a live tensor for x/);
  expectError(
    () => setActivationStorage('half' as 'float32'),
    'ERR_ARGUMENT',
    /^Expected float32 or bfloat16 for storage but got 'half'$/,
  );
  expect(activationStorage()).toBe('float32');
});

(storesBfloat16 ? test.skip : test)('the CPU refuses bfloat16 and goes on', () => {
  expectError(
    () => setActivationStorage('bfloat16'),
    'ERR_ARGUMENT',
    /^Expected 'float32' for storage but got 'bfloat16' on 'fastweight-cpu'/,
  );
  expect(activationStorage()).toBe('float32');
  const x = floats([3], 1);
  expectError(() => backend().addon.storeBfloat16(backend().handleOf(x), 3), 'ERR_ARGUMENT', /./);
  x.dispose();
});

if (storesBfloat16) {
  describe('a stored activation', () => {
    beforeEach(() => setActivationStorage('bfloat16'));

    test('has its values rounded, dtype float32 and two bytes a value', async () => {
      const values = Float32Array.from([
        ...[1, 1.00390625, 1.01171875, -1.00390625, 3.4e38, NaN, -0, 1e-40, Infinity],
        ...normals(1000, 3),
      ]);
      const x = tf.tensor1d(values);
      const before = nativeBytes();
      const y = storeActivation(x);
      expect(nativeBytes() - before).toBe(2 * values.length);
      expect(y.dtype).toBe('float32');
      const wanted = rounded(values);
      expect(y.dataSync()).toEqual(wanted);
      expect(await y.data()).toEqual(wanted);
      expect(nativeBytes() - before).toBe(2 * values.length);
      // A reshape, a clone and storing it again share its memory.
      const others = [tf.reshape(y, [1, -1]), tf.clone(y), storeActivation(y)];
      expect(nativeBytes() - before).toBe(2 * values.length);
      y.dispose();
      for (const other of others) expect(other.dataSync()).toEqual(wanted);
      tf.dispose([x, ...others]);
    });

    test('passes its gradient on', () => {
      const x = floats([4, 5], 1);
      const [value, by] = [floats([4, 5], 2), floats([4, 5], 3)];
      const gradient = tf.grad((y) => tf.sum(tf.mul(storeActivation(y), by)))(x);
      expect(gradient.dataSync()).toEqual(by.dataSync());
      // Used twice, once as it is.
      const both = tf.grad((y) => tf.sum(tf.add(storeActivation(y), tf.mul(y, by))))(value);
      expect(both.dataSync()).toEqual(tf.add(by, 1).dataSync());
      expect(isStored(gradient)).toBe(false);
    });

    test.each<[string, (stored: boolean) => tf.Tensor]>([
      ['silu', (stored) => silu(floats([5, 9], 1), { stored })],
      ['gelu', (stored) => gelu(floats([4, 8], 1), { stored })],
      ['geluTanh', (stored) => geluTanh(floats([4, 8], 1), { stored })],
      ['swiglu', (stored) => swiglu(floats([5, 9], 1), floats([5, 9], 2), { stored })],
      ['rmsNorm', (stored) => rmsNorm(floats([5, 9], 1), undefined, 1e-5, { stored })],
      ['layerNorm', (stored) => layerNorm(heads(1), undefined, undefined, 1e-5, { stored })],
      ['l2Norm', (stored) => l2Norm(heads(1), 1e-5, { stored })],
      [
        'a linear map',
        (stored) => {
          const [x, w] = [floats([5, 9], 1), floats([4, 9], 2) as tf.Tensor2D];
          return (stored ? storedLinear : linear)(x, w);
        },
      ],
      [
        'attention',
        (stored) => {
          setActivationStorage(stored ? 'bfloat16' : 'float32');
          return attention(heads(1), heads(2), heads(3));
        },
      ],
    ])('is what %s writes where its result is stored', (_name, run) => {
      for (const precision of ['float32', 'bfloat16'] as const) {
        setMatmulPrecision(precision);
        const wanted = tf.tidy(() => rounded(run(false).dataSync<'float32'>()));
        const result = run(true);
        setMatmulPrecision('float32');
        expect(isStored(result)).toBe(true);
        expect(result.dataSync()).toEqual(wanted);
      }
    });

    test.each<[string, 'float32' | 'bfloat16', (x: tf.Tensor2D) => tf.Tensor]>([
      ['silu', 'float32', (x) => silu(x, { stored: true })],
      ['swiglu', 'float32', (x) => swiglu(x, x, { stored: true })],
      ['rmsNorm', 'float32', (x) => rmsNorm(x, undefined, 1e-5, { stored: true })],
      ['a product', 'bfloat16', (x) => tf.matMul(x, x, false, true)],
      ['a linear map', 'bfloat16', (x) => storedLinear(x, x)],
    ])('is read by %s as it lies, and no float32 copy is made', (_name, precision, run) => {
      setMatmulPrecision(precision);
      const { addon } = backend();
      const x = storeActivation(floats([64, 128], 1)) as tf.Tensor2D;
      run(x).dispose(); // what products keep from their first time on
      addon.resetPeakBytes();
      const before = addon.memory().peakBytes;
      const result = run(x);
      setMatmulPrecision('float32');
      const bytes = (isStored(result) ? 2 : 4) * result.size;
      expect(addon.memory().peakBytes - before).toBe(bytes);
    });

    test('moves to another backend and back', async () => {
      const x = floats([6], 1);
      const y = storeActivation(x);
      const wanted = rounded(x.dataSync<'float32'>());
      await tf.setBackend('cpu');
      expect(tf.add(y, 0).dataSync()).toEqual(wanted);
      await tf.setBackend(nativeBackend);
      expect(y.dataSync()).toEqual(wanted);
    });

    test('is float32 once it is changed in place', () => {
      const x = floats([4, 6], 1);
      const target = storeActivation(x);
      copyRanges(backend(), tf.ones([1, 6]), target, 6, [[0, 2, 1]]);
      const wanted = rounded(x.dataSync<'float32'>());
      wanted.fill(1, 12, 18);
      expect(target.dataSync()).toEqual(wanted);
      expect(isStored(target)).toBe(false);
    });

    test.each([
      ['AdamW', () => new AdamW({ learningRate: 0.1 })] as const,
      ['Muon', () => new Muon({ learningRate: 0.1 })] as const,
    ])('assigned to a variable is trained by %s as float32 is', (_name, optimizer) => {
      const x = floats([4, 6], 1);
      const gradient = storeActivation(floats([4, 6], 2));
      const trained = [storeActivation(x), tf.tensor(rounded(x.dataSync<'float32'>()), x.shape)];
      const [stored, plain] = trained.map((start) => {
        const variable = tf.variable(tf.zerosLike(x));
        variable.assign(start);
        start.dispose();
        const steps = optimizer();
        const { name } = variable;
        for (let step = 0; step < 3; step++) {
          steps.applyGradients([{ name, tensor: gradient }]);
        }
        const values = variable.dataSync();
        steps.dispose();
        variable.dispose();
        return values;
      });
      expect(stored).toEqual(plain);
    });

    test('runs on the host as it does natively', () => {
      const x = floats([3, 8], 1);
      const wanted = tf.topk(tf.tensor2d(rounded(x.dataSync<'float32'>()), [3, 8]), 2);
      const actual = tf.topk(storeActivation(x), 2);
      expect(actual.values.dataSync()).toEqual(wanted.values.dataSync());
      expect(actual.indices.dataSync()).toEqual(wanted.indices.dataSync());
    });

    test('leaves nothing behind', () => {
      const w = tf.variable(floats([8, 8], 1));
      expectNoLeak(() => {
        for (let i = 0; i < 50; i++) {
          tf.tidy(() => {
            const x = storeActivation(floats([6, 8], i));
            tf.variableGrads(() => {
              const hidden = storeActivation(tf.matMul(x, w) as tf.Tensor2D);
              const normed = storeActivation(rmsNorm(silu(hidden)));
              const [left, right] = tf.split(tf.concat([normed, x], 1), 2, 1);
              return tf.mean(tf.mul(tf.matMul(left, right, false, true), 0.5)) as tf.Scalar;
            }, [w]);
          });
        }
      });
      w.dispose();
    });

    test('is as long as its values, for a kernel that asks for more', () => {
      const { addon } = backend();
      const x = storeActivation(floats([16], 1));
      expectNoLeak(() =>
        expectError(
          () => addon.unary(0, backend().handleOf(x), 17, 0, 0),
          'ERR_SHAPE',
          /at least 68 bytes for tensor but got 64/,
        ),
      );
    });
  });

  describe('stored inputs give what float32 inputs of the same values give', () => {
    test.each(kernelCases)('%s', (_name, run) => expectSame(run));

    describe.each([['float32'], ['tf32'], ['bfloat16']] as const)('in %s', (precision) => {
      beforeEach(() => setMatmulPrecision(precision));
      afterEach(() => setMatmulPrecision('float32'));

      test.each(Object.entries(operations))('%s and its gradients', (_name, [op, ...shapes]) => {
        const inputs = () => shapes.map((shape, at) => floats(shape, at + 1));
        const run = op as (...tensors: tf.Tensor[]) => tf.Tensor;
        expectSame(() => run(...inputs()));
        expectSame(() => tf.grads(run)(inputs()));
      });

      test.each([
        ['gradient steps', 6, 5, {}],
        ['gradient steps, operands read as they are', 16, 8, {}],
        ['Muon, everything kept', 8, 8, { optimizer: 'muon', memory: 'store' }],
        [
          'Muon, all computed again',
          6,
          5,
          { optimizer: 'muon', memory: 'recompute', weightNorm: 'pre' },
        ],
      ])('fastWeightScan with %s, its state and gradients', (_name, keyDim, valueDim, options) => {
        const run = scanned(options);
        const inputs = () => Object.values(scanInputs(keyDim, valueDim));
        expectSame(() => run(...inputs()));
        expectSame(() => {
          const total = (...tensors: tf.Tensor[]) =>
            tf.addN(run(...tensors).map((tensor) => tf.sum(tf.square(tensor))));
          return tf.grads(total)(inputs());
        });
      });
    });

    test('rotaryEmbeddingByTable', () => {
      const table = () => ({
        cosines: floats([9, 4], 4) as tf.Tensor2D,
        sines: floats([9, 4], 5) as tf.Tensor2D,
      });
      expectSame(() => rotaryEmbeddingByTable(heads(1), table()));
      expectSame(() => tf.grad((x) => rotaryEmbeddingByTable(x as tf.Tensor4D, table()))(heads(1)));
    });
  });
}
