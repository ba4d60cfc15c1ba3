// Splitting a sequence anywhere, into any number of calls, gives what one scan gives.
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {
  type FastWeightInputs,
  type FastWeightScanOptions,
  FastWeightState,
  type FastWeights,
  fastWeightAdvance,
  fastWeightScan,
  programs,
  Random,
  reference,
} from '../../src';
import { relativeError } from '../../src/verify/compare';
import { contract } from '../../src/verify/contract';
import { expectError } from '../support/operations';
import { normal3, uniform3 } from '../support/random_tensors';

type Inputs = Record<'q' | 'k' | 'v' | 'rates' | 'momentum', tf.Tensor3D>;
const [rows, tokens, keyDim, hidden, valueDim] = [3, 75, 8, 12, 6];
const chunk = 10;

const inputs = (): Inputs => ({
  q: normal3([rows, tokens, keyDim], 1),
  k: normal3([rows, tokens, keyDim], 2),
  v: normal3([rows, tokens, valueDim], 3),
  rates: tf.mul(tf.add(uniform3([rows, tokens, 3], 4), 0.5), 0.02),
  momentum: uniform3([rows, tokens, 1], 5),
});

const weights = (): FastWeights => ({
  w0: normal3([rows, hidden, keyDim], 6),
  w1: normal3([rows, valueDim, hidden], 7),
  w2: normal3([rows, hidden, keyDim], 8),
});

interface Setting {
  options: FastWeightScanOptions;
  momentum: boolean;
}

const settings: [string, Setting][] = (['gd', 'muon'] as const).flatMap((optimizer) =>
  (['post', 'pre', 'none'] as const).flatMap((weightNorm) =>
    [false, true].map((momentum): [string, Setting] => [
      `${optimizer}, ${weightNorm}, ${momentum ? 'momentum' : 'no momentum'}`,
      { options: { optimizer, weightNorm }, momentum },
    ]),
  ),
);

const toleranceOf = ({ options }: Setting) =>
  (options.optimizer === 'muon' ? contract.operationWithMuon : contract.operation).output;

/** The inputs' tokens [start, end) of some rows. */
function part(given: Inputs, start: number, end: number, row?: number): FastWeightInputs {
  const from = row ?? 0;
  const count = row === undefined ? -1 : 1;
  return Object.fromEntries(
    Object.entries(given).map(([name, x]) => [
      name,
      tf.slice(x, [from, start, 0], [count, end - start, -1]),
    ]),
  );
}

const without = (given: FastWeightInputs, momentum: boolean): FastWeightInputs =>
  momentum ? given : { ...given, momentum: undefined };

/** Lengths of 1 or more that sum to `total`. */
function split(total: number, random: Random): number[] {
  const lengths: number[] = [];
  for (let left = total; left > 0; ) {
    const most = random.uniform() < 0.5 ? 4 : left;
    lengths.push(1 + random.integer(Math.min(left, most)));
    left -= lengths[lengths.length - 1];
  }
  return lengths;
}

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
});

test.each(settings)('random splits give what one scan gives: %s', (_name, setting) => {
  tf.tidy(() => {
    const given = inputs();
    const program = programs.shiftedCausal(tokens, chunk);
    const run = (scan: typeof reference.fastWeightScan) =>
      scan(without(given, setting.momentum), weights(), program, setting.options);
    const whole = run(fastWeightScan);
    const plain = run(reference.fastWeightScan).output.dataSync();
    const random = new Random(11);
    for (const lengths of [[tokens], ...Array.from({ length: 6 }, () => split(tokens, random))]) {
      const state = new FastWeightState({ weights: weights() });
      let start = 0;
      const outputs = lengths.map((length) => {
        const now = without(part(given, start, start + length), setting.momentum);
        start += length;
        return fastWeightAdvance(now, state, chunk, setting.options);
      });
      const output = tf.concat(outputs, 1).dataSync();
      expect(relativeError(output, plain)).toBeLessThan(toleranceOf(setting));
      // All but the tokens left over are written, in one product each, as in the scan.
      expect(state.weights.w0.dataSync()).toEqual(whole.state.weights.w0.dataSync());
      expect(state.pending?.counts).toEqual([5, 5, 5]);
      state.dispose();
    }
  });
});

test.each(settings)('rows at different places give what each alone gives: %s', (_name, setting) => {
  tf.tidy(() => {
    const given = inputs();
    const random = new Random(12);
    for (let trial = 0; trial < 4; trial++) {
      const state = new FastWeightState({ weights: weights() });
      const done = [0, 0, 0];
      const outputs: tf.Tensor[][] = [[], [], []];
      for (let call = 0; call < 12; call++) {
        // Some calls are even, most give every row its own number of tokens, or none.
        const even = random.uniform() < 0.3;
        const drawn = 1 + random.integer(9);
        const counts = done.map((at) => Math.min(even ? drawn : random.integer(14), tokens - at));
        const most = Math.max(1, ...counts) + (random.uniform() < 0.2 ? 2 : 0);
        const padded = Object.fromEntries(
          Object.keys(given).map((name) => [
            name,
            tf.concat(
              counts.map((count, row) => {
                const own = part(given, done[row], done[row] + count, row) as Inputs;
                const padding = tf.fill([1, most - count, own[name as 'q'].shape[2]], 7);
                return tf.concat([padding, own[name as 'q']], 1);
              }),
            ),
          ]),
        ) as FastWeightInputs;
        const output = fastWeightAdvance(without(padded, setting.momentum), state, chunk, {
          ...setting.options,
          counts,
        });
        counts.forEach((count, row) => {
          outputs[row].push(tf.slice(output, [row, most - count, 0], [1, count, -1]));
          done[row] += count;
        });
      }
      done.forEach((length, row) => {
        const alone = new FastWeightState({
          weights: Object.fromEntries(
            Object.entries(weights()).map(([name, w]) => [name, tf.slice(w, [row], [1])]),
          ) as unknown as FastWeights,
        });
        const wanted = fastWeightAdvance(
          without(part(given, 0, length, row), setting.momentum),
          alone,
          chunk,
          setting.options,
        );
        const got = tf.concat(outputs[row], 1).dataSync();
        expect(relativeError(got, wanted.dataSync())).toBeLessThan(toleranceOf(setting));
        const written = tf.slice(state.weights.w1, [row], [1]).dataSync();
        expect(relativeError(written, alone.weights.w1.dataSync())).toBeLessThan(
          toleranceOf(setting),
        );
        alone.dispose();
      });
      state.dispose();
    }
  });
});

test('padding gives zeros, and a call may bring no tokens', () => {
  tf.tidy(() => {
    const state = new FastWeightState({ weights: weights() });
    const now = part(inputs(), 0, 4);
    const output = fastWeightAdvance(now, state, chunk, { counts: [4, 0, 1] });
    const before = tf.reshape(tf.slice(output, [1, 0, 0], [2, 3, -1]), [-1]).dataSync();
    expect(before).toEqual(new Float32Array(before.length));
    expect(state.pending?.counts).toEqual([4, 0, 1]);
    const none = fastWeightAdvance(now, state, chunk, { counts: [0, 0, 0] });
    expect(none.dataSync()).toEqual(new Float32Array(none.size));
    expect(state.pending?.counts).toEqual([4, 0, 1]);
    state.dispose();
  });
});

test('a fork and a saved state go on independently of the first', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-'));
  const file = path.join(folder, 'state.safetensors');
  const given = inputs();
  const options = { optimizer: 'muon', weightNorm: 'pre' } as const;
  const state = new FastWeightState({ weights: weights() });
  const step = (to: FastWeightState, start: number, end: number) =>
    tf.tidy(() => fastWeightAdvance(part(given, start, end), to, chunk, options).dataSync());
  step(state, 0, 33);
  const fork = state.fork();
  await state.save(file);
  const loaded = FastWeightState.load(file);
  expect(loaded.bytes).toBe(state.bytes);
  const wanted = step(state, 33, 61);
  state.dispose();
  // The fork reads other tokens first, which must not reach the loaded state.
  const other = fork.fork();
  step(other, 0, 30);
  expect(step(fork, 33, 61)).toEqual(wanted);
  expect(step(loaded, 33, 61)).toEqual(wanted);
  for (const each of [other, fork, loaded]) each.dispose();
  tf.dispose(given);
  fs.rmSync(folder, { recursive: true });
});

test('a file of another kind, or cut short, is an ERR_CHECKPOINT', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-'));
  const file = path.join(folder, 'state.safetensors');
  const state = new FastWeightState({ weights: weights() });
  await state.save(file);
  const before = tf.memory().numTensors;
  const bytes = fs.readFileSync(file);
  fs.writeFileSync(file, bytes.subarray(0, bytes.length - 4));
  expectError(() => FastWeightState.load(file), 'ERR_CHECKPOINT', /truncated/);
  fs.writeFileSync(
    file,
    Buffer.from(bytes.toString('latin1').replace('state 1', 'state 9'), 'latin1'),
  );
  expectError(
    () => FastWeightState.load(file),
    'ERR_CHECKPOINT',
    /'fastweight state 1' .* 'fastweight state 9'|got fastweight state 9/,
  );
  fs.writeFileSync(
    file,
    Buffer.from(bytes.toString('latin1').replace('weights.w2', 'weights.w9'), 'latin1'),
  );
  expectError(() => FastWeightState.load(file), 'ERR_CHECKPOINT', /a tensor for w2/);
  expectError(() => FastWeightState.load(path.join(folder, 'none')), 'ERR_CHECKPOINT', /none/);
  expect(tf.memory().numTensors).toBe(before);
  state.dispose();
  fs.rmSync(folder, { recursive: true });
});

test('wrong arguments are refused before anything changes', () => {
  tf.tidy(() => {
    const given = inputs();
    const state = new FastWeightState({ weights: weights() });
    fastWeightAdvance(part(given, 0, 13), state, chunk);
    const now = part(given, 13, 15);
    const before = state.weights.w0.dataSync();
    const refused = (call: () => unknown, code: string, message: RegExp) => {
      expectError(call, code, message);
      expect(state.weights.w0.dataSync()).toEqual(before);
      expect(state.pending?.counts).toEqual([3, 3, 3]);
    };
    const advance =
      (more: Partial<FastWeightInputs>, options = {}, size = chunk) =>
      () =>
        fastWeightAdvance({ ...now, ...more }, state, size, options);
    refused(advance({ q: undefined }), 'ERR_ARGUMENT', /a tensor for q/);
    refused(advance({ v: now.q }), 'ERR_SHAPE', /\[3, 2, 6\] for v/);
    refused(advance({ momentum: undefined }), 'ERR_ARGUMENT', /a tensor for momentum/);
    refused(advance({}, {}, 7), 'ERR_ARGUMENT', /Expected 10 for chunk but got 7/);
    refused(advance({}, {}, 0), 'ERR_RANGE', /at least 1 for chunk/);
    refused(advance({}, { weightNorm: 'pre' }), 'ERR_ARGUMENT', /the state's 'post'/);
    refused(advance({}, { optimizer: 'adam' }), 'ERR_ARGUMENT', /'gd' or 'muon'/);
    refused(advance({}, { counts: [1, 2] }), 'ERR_RANGE', /3 counts of at most 2/);
    refused(advance({}, { counts: [1, 2, 3] }), 'ERR_RANGE', /3 counts of at most 2/);
    refused(
      () => tf.grad((q) => advance({ q: q as tf.Tensor3D })())(now.q as tf.Tensor),
      'ERR_ARGUMENT',
      /no gradient for fastWeightAdvance/,
    );
    refused(
      () => fastWeightScan(now, state, programs.shiftedCausal(2, 1)),
      'ERR_ARGUMENT',
      /without pending tokens .* Go on with fastWeightAdvance/,
    );
    state.dispose();
    expectError(advance({}), 'ERR_DISPOSED', /a live state/);
  });
});

test.each([
  ['even', undefined],
  ['ragged', [1, 0, 1]],
])('memory stays flat over thousands of %s steps', (_name, counts) => {
  const given = inputs();
  const state = new FastWeightState({ weights: weights() });
  const options = { optimizer: 'muon', counts } as const;
  const step = (at: number) =>
    tf.tidy(
      () => void fastWeightAdvance(part(given, at % 70, (at % 70) + 1), state, chunk, options),
    );
  for (let at = 0; at < 20; at++) step(at);
  const before = tf.memory();
  for (let at = 20; at < 3000; at++) step(at);
  expect(tf.memory()).toEqual(before);
  state.dispose();
  tf.dispose(given);
});
