// A scan that goes on from the state of another, on the native device and on the reference.
import * as tf from '@tensorflow/tfjs-core';
import {
  type FastWeightInputs,
  type FastWeightScanOptions,
  FastWeightState,
  type FastWeights,
  fastWeightApply,
  fastWeightScan,
  type Program,
  programs,
  reference,
} from '../../src';
import { relativeError } from '../../src/verify/compare';
import { contract } from '../../src/verify/contract';
import { directionalError } from '../gradients/gradient_check';
import { expectError } from '../support/operations';
import { normal3, uniform3 } from '../support/random_tensors';

const [rows, tokens, keyDim, hidden, valueDim] = [2, 36, 6, 9, 5];

const inputs = (options: FastWeightScanOptions = {}): Required<FastWeightInputs> => ({
  q: normal3([rows, tokens, keyDim], 1),
  k: normal3([rows, tokens, keyDim], 2),
  v: normal3([rows, tokens, valueDim], 3),
  // Muon's steps do not depend on the rates' size, and bend sharply where rates come near 0.
  rates:
    options.optimizer === 'muon'
      ? tf.add(uniform3([rows, tokens, 3], 4), 0.5)
      : tf.mul(uniform3([rows, tokens, 3], 4), 0.05),
  momentum: uniform3([rows, tokens, 1], 5),
});

const weights = (): FastWeights => ({
  w0: normal3([rows, hidden, keyDim], 6),
  w1: normal3([rows, valueDim, hidden], 7),
  w2: normal3([rows, hidden, keyDim], 8),
});

const program = programs.shiftedCausal(tokens, 12);
const parts: Program[] = [program.slice(0, 1), program.slice(1, 4), program.slice(4)];

type Scan = typeof reference.fastWeightScan;

/** The program in parts, each from the state that the one before left. */
function inParts(scan: Scan, given: FastWeightInputs, options: FastWeightScanOptions) {
  let from: Parameters<Scan>[1] = weights();
  const outputs = parts.map((part) => {
    const { output, state } = scan(given, from, part, options);
    from = state;
    return output;
  });
  return { output: tf.concat(outputs, 1), state: from as unknown as ReturnType<Scan>['state'] };
}

/** The output and every tensor of the state, end to end. */
function allOf({ output, state }: ReturnType<Scan>): tf.Tensor1D {
  const sets = [state.weights, state.mainWeights, state.momenta, state.norms];
  const tensors = sets.flatMap((set) => (set ? [set.w0, set.w1, set.w2] : []));
  return tf.concat([output, ...tensors].map((tensor) => tf.reshape(tensor, [-1])));
}

const settings: [string, FastWeightScanOptions, boolean][] = [];
for (const optimizer of ['gd', 'muon'] as const) {
  for (const weightNorm of ['post', 'pre', 'none'] as const) {
    for (const momentum of [false, true]) {
      const name = `${optimizer}, ${weightNorm}, ${momentum ? 'momentum' : 'no momentum'}`;
      settings.push([name, { optimizer, weightNorm }, momentum]);
    }
  }
}

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
});

test.each(settings)('a scan in parts equals one scan: %s', (_name, options, momentum) => {
  tf.tidy(() => {
    const given = { ...inputs(options), ...(momentum ? {} : { momentum: undefined }) };
    const whole = allOf(fastWeightScan(given, weights(), program, options)).dataSync();
    const native = allOf(inParts(fastWeightScan, given, options)).dataSync();
    expect(native).toEqual(whole);
    const plain = allOf(inParts(reference.fastWeightScan, given, options)).dataSync();
    const tolerance =
      options.optimizer === 'muon' ? contract.operationWithMuon : contract.operation;
    expect(relativeError(native, plain)).toBeLessThan(tolerance.output);
  });
});

test.each(settings.filter(([, , momentum]) => momentum))(
  'its gradients are those of one scan and of finite differences: %s',
  (_name, options) => {
    tf.tidy(() => {
      const given = inputs(options);
      const initial = weights();
      const values = [...Object.values(given), ...Object.values(initial)] as tf.Tensor[];
      const scanning =
        (parts: Program[]) =>
        (...xs: tf.Tensor[]) => {
          const [q, k, v, rates, momentum, w0, w1, w2] = xs as tf.Tensor3D[];
          let from: FastWeights | FastWeightState = { w0, w1, w2 };
          const outputs = parts.map((part) => {
            const done = fastWeightScan({ q, k, v, rates, momentum }, from, part, options);
            from = done.state;
            return done.output;
          });
          return allOf({
            output: tf.concat(outputs, 1),
            state: from as unknown as FastWeightState,
          });
        };
      expect(directionalError(scanning(parts), values, 1e-3)).toBeLessThan(1e-2);
      const [split, whole] = [parts, [program]].map((each) =>
        tf.grads((...xs: tf.Tensor[]) => tf.sum(tf.square(scanning(each)(...xs))))(values),
      );
      const tolerance =
        options.optimizer === 'muon' ? contract.operationWithMuon : contract.operation;
      split.forEach((gradient, at) => {
        const error = relativeError(gradient.dataSync(), whole[at].dataSync());
        expect(error).toBeLessThan(tolerance.gradient);
      });
    });
  },
);

test('a program without an apply leaves the state, and needs no queries', () => {
  tf.tidy(() => {
    const { k, v, rates } = inputs();
    const written = fastWeightScan({ k, v, rates }, weights(), [
      { kind: 'update', start: 0, end: tokens },
    ]);
    expect(written.output.shape).toEqual([rows, 0, valueDim]);
    const { q } = inputs();
    const read = fastWeightScan({ q }, written.state, [{ kind: 'apply', start: 0, end: tokens }]);
    const { output } = fastWeightScan(
      { q, k, v, rates },
      weights(),
      programs.bidirectional(tokens),
    );
    expect(read.output.dataSync()).toEqual(output.dataSync());
    expect(read.state.weights.w1.dataSync()).toEqual(written.state.weights.w1.dataSync());
  });
});

test.each([1, 7, 63, 64, 200])('fastWeightApply reads %d tokens as a scan does', (count) => {
  tf.tidy(() => {
    const q = normal3([rows, count, keyDim], 11);
    const whole = fastWeightScan({ q }, weights(), [{ kind: 'apply', start: 0, end: count }]);
    const output = fastWeightApply(q, weights());
    expect(relativeError(output.dataSync(), whole.output.dataSync())).toBeLessThan(1e-6);
    const read = (q: tf.Tensor, ...w: tf.Tensor[]) => {
      const [w0, w1, w2] = w as tf.Tensor3D[];
      return fastWeightApply(q as tf.Tensor3D, { w0, w1, w2 });
    };
    expect(directionalError(read, [q, ...Object.values(weights())])).toBeLessThan(2e-3);
  });
});

test('a state goes on only with what it has', () => {
  tf.tidy(() => {
    const { momentum: _, ...plain } = inputs();
    const { state } = fastWeightScan(inputs(), weights(), program, { weightNorm: 'pre' });
    expectError(
      () => fastWeightScan(inputs(), state, program),
      'ERR_ARGUMENT',
      /Expected the state's 'pre' for weightNorm but got 'post'/,
    );
    expectError(
      () => fastWeightScan(plain, state, program, { weightNorm: 'pre' }),
      'ERR_ARGUMENT',
      /Expected a tensor for momentum but got undefined. Coefficients of zero/,
    );
    const narrow = { ...inputs(), q: normal3([rows, tokens, keyDim + 1], 1) };
    expectError(
      () => fastWeightScan(narrow, state, program, { weightNorm: 'pre' }),
      'ERR_SHAPE',
      /Expected shape \[2, tokens, 6\] for q/,
    );
    expectError(
      () => new FastWeightState({ weights: weights(), mainWeights: weights() }),
      'ERR_ARGUMENT',
      /Expected weightNorm 'pre' for mainWeights but got 'undefined'/,
    );
    state.dispose();
    expectError(
      () => fastWeightScan(inputs(), state, program, { weightNorm: 'pre' }),
      'ERR_DISPOSED',
      /Expected a live tensor for w0/,
    );
    expectError(() => state.fork(), 'ERR_DISPOSED', /Expected a live state for state/);
  });
});

test('a fork outlives its state', () => {
  tf.tidy(() => {
    const { state } = fastWeightScan(inputs(), weights(), program, { weightNorm: 'pre' });
    const fork = state.fork();
    const run = (from: FastWeightState) =>
      allOf(fastWeightScan(inputs(), from, program, { weightNorm: 'pre' })).dataSync();
    const before = run(state);
    state.dispose();
    expect(run(fork)).toEqual(before);
  });
});

test('no tensor or byte is left after many continued scans', () => {
  const given = inputs();
  const initial = weights();
  let { output, state } = fastWeightScan(given, initial, program, { optimizer: 'muon' });
  output.dispose();
  const before = tf.memory();
  for (let i = 0; i < 1000; i++) {
    const next = fastWeightScan(given, state, program, { optimizer: 'muon' });
    next.output.dispose();
    state.dispose();
    state = next.state;
  }
  expect(tf.memory()).toEqual(before);
  state.dispose();
  tf.dispose([given, initial] as unknown as tf.TensorContainer);
});
