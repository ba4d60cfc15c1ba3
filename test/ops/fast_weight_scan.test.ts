import * as tf from '@tensorflow/tfjs-core';
import {
  type FastWeightInputs,
  type FastWeightScanOptions,
  type FastWeights,
  fastWeightScan,
  newtonSchulz,
  type Program,
  programs,
} from '../../src';
import { relativeError } from '../../src/verify/compare';
import { nativeBackend } from '../support/native_backend';
import { normal3, uniform3 } from '../support/random_tensors';

const [rows, tokens, keyDim, hidden, valueDim] = [2, 20, 6, 10, 8];

const inputs = (): FastWeightInputs => ({
  q: normal3([rows, tokens, keyDim], 1),
  k: normal3([rows, tokens, keyDim], 2),
  v: normal3([rows, tokens, valueDim], 3),
  rates: uniform3([rows, tokens, 3], 4),
  momentum: uniform3([rows, tokens, 1], 5),
});

const weights = (): FastWeights => ({
  w0: normal3([rows, hidden, keyDim], 6),
  w1: normal3([rows, valueDim, hidden], 7),
  w2: normal3([rows, hidden, keyDim], 8),
});

const program = programs.shiftedCausal(tokens, 8);

beforeAll(async () => {
  await tf.setBackend(nativeBackend);
});

type Change = {
  inputs?: Partial<Record<keyof FastWeightInputs, tf.Tensor>>;
  weights?: Partial<Record<keyof FastWeights, tf.Tensor>>;
  program?: Program;
  options?: FastWeightScanOptions;
};

function scanWith(change: Change) {
  return fastWeightScan(
    { ...inputs(), ...change.inputs } as FastWeightInputs,
    { ...weights(), ...change.weights } as FastWeights,
    change.program ?? program,
    change.options ?? {},
  );
}

const step = (start: number, end: number, kind = 'update') =>
  [{ kind, start, end }, ...programs.bidirectional(4)] as Program;

const filled = (value: number) => tf.fill([rows, tokens, 3], value);

const disposed = () => {
  const tensor = normal3([rows, tokens, keyDim], 1);
  tensor.dispose();
  return tensor;
};

test.each<[string, string, RegExp, () => Change]>([
  [
    'a wrong rank',
    'ERR_SHAPE',
    /Expected shape \[2, 20, 6\] for k but got shape \[2,20\]/,
    () => ({ inputs: { k: tf.zeros([rows, tokens]) } }),
  ],
  [
    'a wrong shape',
    'ERR_SHAPE',
    /Expected shape \[2, valueDim, 10\] for w1 but got shape \[2,10,8\]/,
    () => ({ weights: { w1: tf.zeros([rows, hidden, valueDim]) } }),
  ],
  [
    'no tokens',
    'ERR_SHAPE',
    /Expected shape \[2, tokens, 6\] for q/,
    () => ({ inputs: { q: tf.zeros([rows, 0, keyDim]) } }),
  ],
  [
    'a wrong dtype',
    'ERR_DTYPE',
    /Expected dtype float32 for v but got int32/,
    () => ({ inputs: { v: tf.zeros([rows, tokens, valueDim], 'int32') } }),
  ],
  [
    'a disposed tensor',
    'ERR_DISPOSED',
    /for q but got a disposed one/,
    () => ({ inputs: { q: disposed() } }),
  ],
  [
    'no tensor',
    'ERR_ARGUMENT',
    /Expected a tensor for rates but got undefined/,
    () => ({ inputs: { rates: undefined } }),
  ],
  [
    'a range outside the tokens',
    'ERR_RANGE',
    /range within \[0, 20\) for program\[0\] but got \[12, 21\)/,
    () => ({ program: step(12, 21) }),
  ],
  [
    'an empty range',
    'ERR_PROGRAM',
    /at least one token for program\[0\] but got \[5, 5\)/,
    () => ({ program: step(5, 5) }),
  ],
  [
    'a reversed range',
    'ERR_PROGRAM',
    /at least one token for program\[0\] but got \[7, 5\)/,
    () => ({ program: step(7, 5) }),
  ],
  [
    'an unknown step',
    'ERR_ARGUMENT',
    /'update' or 'apply' for program\[0\].kind but got 'erase'/,
    () => ({ program: step(0, 5, 'erase') }),
  ],
  [
    'a program without a step',
    'ERR_PROGRAM',
    /at least one step for program/,
    () => ({ program: [] }),
  ],
  [
    'NaN step sizes',
    'ERR_NON_FINITE',
    /finite values for rates/,
    () => ({ inputs: { rates: filled(Number.NaN) } }),
  ],
  [
    'infinite step sizes',
    'ERR_NON_FINITE',
    /finite values for rates/,
    () => ({ inputs: { rates: filled(Number.POSITIVE_INFINITY) } }),
  ],
  [
    'step sizes that blow the weights up',
    'ERR_NON_FINITE',
    /finite weights after the updates/,
    () => ({ inputs: { rates: filled(1e38) }, options: { weightNorm: 'none' } }),
  ],
  [
    'an unknown schedule',
    'ERR_ARGUMENT',
    /for newtonSchulz but got "them5"/,
    () => ({ options: { optimizer: 'muon', newtonSchulz: 'them5' } }),
  ],
  [
    'an unknown optimizer',
    'ERR_ARGUMENT',
    /'gd' or 'muon' for optimizer but got 'adam'/,
    () => ({ options: { optimizer: 'adam' as 'muon' } }),
  ],
])('%s is an %s, and nothing is lost', (_name, code, message, change) => {
  tf.tidy(() => {
    const made = change();
    const given = { ...inputs(), ...made.inputs };
    const before = tf.memory();
    const run = () => scanWith({ ...made, inputs: given });
    tf.tidy(() => {
      expect(run).toThrow(expect.objectContaining({ name: 'FastWeightError', code }));
      expect(run).toThrow(message);
    });
    expect(tf.memory()).toEqual(before);
    // The process and the tensors are as good as before.
    expect(scanWith({}).output.shape).toEqual([rows, tokens, valueDim]);
  });
});

test('another backend is an ERR_DEVICE_UNAVAILABLE with the remedy', async () => {
  await tf.setBackend('cpu');
  try {
    expect(() => scanWith({})).toThrow(expect.objectContaining({ code: 'ERR_DEVICE_UNAVAILABLE' }));
    expect(() => scanWith({})).toThrow(/tf\.setBackend\('fastweight-cpu'\)/);
  } finally {
    tf.disposeVariables();
    await tf.setBackend(nativeBackend);
  }
});

test('the state has the main weights of pre-norm and the momenta, and disposes of them', () => {
  const [given, initial] = [inputs(), weights()];
  const before = tf.memory();
  const pre = fastWeightScan(given, initial, program, { weightNorm: 'pre' });
  expect(pre.state.mainWeights.w1.dataSync()).not.toEqual(pre.state.weights.w1.dataSync());
  expect(pre.state.momenta?.w2.shape).toEqual([rows, hidden, keyDim]);
  pre.state.dispose();
  pre.output.dispose();
  expect(tf.memory()).toEqual(before);
  const post = fastWeightScan({ ...given, momentum: undefined }, initial, program);
  expect(post.state.mainWeights).toBe(post.state.weights);
  expect(post.state.momenta).toBeUndefined();
  post.state.dispose();
  post.output.dispose();
  expect(tf.memory()).toEqual(before);
  tf.dispose([given, initial] as unknown as tf.TensorContainer);
});

test('no tensor, byte or tape is left after many steps of training', () => {
  const [given, initial] = [inputs(), weights()];
  const gradient = tf.grad((w0) =>
    tf.sum(
      fastWeightScan(given, { ...initial, w0: w0 as tf.Tensor3D }, program, { optimizer: 'muon' })
        .output,
    ),
  );
  gradient(initial.w0).dispose();
  const before = tf.memory();
  for (let i = 0; i < 300; i++) gradient(initial.w0).dispose();
  expect(tf.memory()).toEqual(before);
  tf.dispose([given, initial] as unknown as tf.TensorContainer);
});

test('two runs give the same bits', () => {
  tf.tidy(() => {
    const run = () => scanWith({ options: { optimizer: 'muon' } }).output.dataSync();
    expect(run()).toEqual(run());
  });
});

test('newtonSchulz refuses a matrix, an integer tensor and a wrong triple', () => {
  tf.tidy(() => {
    const d = normal3([2, 4, 6], 9);
    const refused = (f: () => unknown, code: string) =>
      expect(f).toThrow(expect.objectContaining({ name: 'FastWeightError', code }));
    refused(() => newtonSchulz(tf.zeros([4, 6]) as unknown as tf.Tensor3D), 'ERR_SHAPE');
    refused(() => newtonSchulz(tf.zeros([2, 4, 6], 'int32') as tf.Tensor3D), 'ERR_DTYPE');
    refused(() => newtonSchulz(d, [[1, 2] as never]), 'ERR_ARGUMENT');
    refused(() => newtonSchulz(d, []), 'ERR_ARGUMENT');
    refused(() => newtonSchulz(d, 'keller0'), 'ERR_ARGUMENT');
    refused(() => newtonSchulz(d, 'you5', { epsilon: Number.NaN }), 'ERR_ARGUMENT');
    refused(() => newtonSchulz(d, 'you5', { method: 'fast' as 'gram' }), 'ERR_ARGUMENT');
    expect(newtonSchulz(d, [[1.5, -0.5, 0]]).shape).toEqual([2, 4, 6]);
  });
});

test.each([
  [[2, 24, 24], 'you5'],
  [[3, 64, 16], 'keller5'],
  [[1, 20, 60], 'keller2'],
  [[2, 12, 40], [[1.5, -0.5, 0]]],
] as const)('the gram method agrees with the standard one on %j', (shape, schedule) => {
  tf.tidy(() => {
    const d = normal3([...shape], 10);
    const run = (method: 'standard' | 'gram') => newtonSchulz(d, schedule, { method }).dataSync();
    const error = relativeError(run('gram'), run('standard'));
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(1e-4);
  });
});

test('a scan that a backward follows runs the standard method, whatever was asked for', () => {
  tf.tidy(() => {
    const gradients = (newtonSchulzMethod: 'standard' | 'gram') => {
      const options = { optimizer: 'muon', memory: 'recompute', newtonSchulzMethod } as const;
      const scan = (k: tf.Tensor) => scanWith({ inputs: { k }, options }).output as tf.Tensor;
      const { value, grad } = tf.valueAndGrad(scan)(
        inputs().k as tf.Tensor,
        tf.ones([rows, tokens, valueDim]),
      );
      return [value.dataSync(), grad.dataSync()];
    };
    const output = (newtonSchulzMethod: 'standard' | 'gram') =>
      scanWith({ options: { optimizer: 'muon', newtonSchulzMethod } }).output.dataSync();
    expect(gradients('gram')).toEqual(gradients('standard'));
    expect(output('gram')).not.toEqual(output('standard'));
  });
});
