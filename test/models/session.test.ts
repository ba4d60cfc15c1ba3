// Reading a sequence call by call, in any calls, gives what one pass over it gives.
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import {
  LanguageModel,
  type LanguageModelConfig,
  type LanguageModelSession,
  languageModel,
  namedVariables,
  Random,
  Sampler,
} from '../../src';
import { relativeError } from '../../src/verify/compare';
import { contract } from '../../src/verify/contract';
import { expectError } from '../support/operations';

const vocabSize = 29;
const config: Partial<LanguageModelConfig> = {
  vocabSize,
  hiddenSize: 24,
  numHiddenLayers: 2,
  numAttnHeads: 2,
  numLactHeads: 2,
  windowSize: 6,
  lactChunkSize: 8,
  intermediateSize: 40,
  initializerRange: 0.2,
};

const settings: [string, Partial<LanguageModelConfig>][] = [
  ['defaults', {}],
  ['Muon, two chunks in a window', { useMuon: true, windowSize: 17 }],
  ['Muon, pre-norm, low rank', { useMuon: true, tttPrenorm: true, w0w2LowRank: 3 }],
  ['full attention', { windowSize: 0, qkvSilu: false }],
  ['a window of 1, chunks of 1', { windowSize: 1, lactChunkSize: 1 }],
  ['no momentum, no rotary in fast weights', { useMomentum: false, tttNope: true }],
  ['one fast-weight head, biases and norms', { numLactHeads: 1, qkvBias: true, attnQkNorm: true }],
  ['tied embeddings, no scale', { tieWordEmbeddings: true, learnableTttScale: false }],
  ['attention alone', { numLactHeads: 0 }],
];

const toleranceOf = ({ useMuon }: Partial<LanguageModelConfig>) =>
  (useMuon ? contract.modelWithMuon : contract.model).output;

const modelOf = (options: Partial<LanguageModelConfig> = {}, seed = 3) =>
  languageModel({ ...config, ...options }, { seed });

function randomIds(count: number, random: Random): number[] {
  return Array.from({ length: count }, () => random.integer(vocabSize));
}

/** Logits [tokens, vocabSize] of one pass over a sequence. */
function onePass(model: LanguageModel, ids: number[]): Float32Array {
  return tf.tidy(() => model.logits(tf.tensor2d([ids], undefined, 'int32')).dataSync<'float32'>());
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-'));
const file = path.join(folder, 'session.safetensors');

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

test.each(settings)('%s: any split into calls gives what one pass gives', (_name, options) => {
  const model = modelOf(options);
  const random = new Random(5);
  for (let trial = 0; trial < 3; trial++) {
    const ids = randomIds(40 + random.integer(30), random);
    const wanted = onePass(model, ids);
    const session = model.startSession();
    const got: number[] = [];
    for (let at = 0; at < ids.length; ) {
      const kind = random.integer(3);
      const count = kind === 0 ? 1 : Math.min(1 + random.integer(25), ids.length - at);
      const now = ids.slice(at, at + count);
      at += count;
      const logits =
        kind === 0
          ? session.step(now)
          : kind === 1
            ? session.prefill([now])
            : session.logits([now]);
      const values = logits.dataSync();
      logits.dispose();
      // What a call does not give out is left out of the comparison.
      const given = values.length / vocabSize;
      const end = at * vocabSize;
      got.push(...new Array<number>((count - given) * vocabSize).fill(Number.NaN), ...values);
      expect(got.length).toBe(end);
    }
    const compared = got.flatMap((value, at) => (Number.isNaN(value) ? [] : [at]));
    const error = relativeError(
      compared.map((at) => got[at]),
      compared.map((at) => wanted[at]),
    );
    expect(error).toBeLessThan(toleranceOf(options));
    expect(session.positions).toEqual([ids.length]);
    session.dispose();
  }
  model.dispose();
});

test.each(settings)(
  '%s: sequences of different lengths give what each alone gives',
  (_, options) => {
    const model = modelOf(options);
    const random = new Random(6);
    const batch = 3;
    const sequences = Array.from({ length: batch }, () => randomIds(70, random));
    const wanted = sequences.map((ids) => onePass(model, ids));
    const session = model.startSession(batch);
    const done = [0, 0, 0];
    for (let call = 0; call < 14; call++) {
      const kind = random.integer(4);
      const counts = done.map((at) =>
        Math.min(kind === 0 ? 1 : kind === 1 ? 5 : random.integer(11), 70 - at),
      );
      if (Math.max(...counts) === 0) continue;
      const now = sequences.map((ids, b) => ids.slice(done[b], done[b] + counts[b]));
      const all = random.uniform() < 0.5;
      const logits = all
        ? session.logits(now)
        : tf.expandDims<tf.Tensor3D>(session.prefill(now), 1);
      const tokens = logits.shape[1];
      const values = logits.dataSync();
      counts.forEach((count, b) => {
        done[b] += count;
        const own = Math.min(count, tokens);
        const last = values.subarray(
          ((b + 1) * tokens - own) * vocabSize,
          (b + 1) * tokens * vocabSize,
        );
        const expected = wanted[b].subarray((done[b] - own) * vocabSize, done[b] * vocabSize);
        if (own > 0) expect(relativeError(last, expected)).toBeLessThan(toleranceOf(options));
      });
      logits.dispose();
      expect(session.positions).toEqual(done);
    }
    expect(Math.min(...done)).toBeGreaterThan(30);
    session.dispose();
    model.dispose();
  },
);

test('a long prefill goes through in pieces and gives what one pass gives', () => {
  const model = modelOf({ lactChunkSize: 48, windowSize: 20 });
  const random = new Random(7);
  const sequences = [1500, 700, 3].map((count) => randomIds(count, random));
  const session = model.startSession(3);
  const logits = session.prefill(sequences);
  const values = logits.dataSync();
  sequences.forEach((ids, b) => {
    const expected = onePass(model, ids).subarray(-vocabSize);
    const got = values.subarray(b * vocabSize, (b + 1) * vocabSize);
    expect(relativeError(got, expected)).toBeLessThan(contract.model.output);
  });
  expect(session.positions).toEqual([1500, 700, 3]);
  tf.dispose(logits);
  session.dispose();
  model.dispose();
});

/** The logits of a few steps, the last of which has written a chunk. */
function continuation(session: LanguageModelSession): Float32Array[] {
  return [1, 5, 9, 2, 8, 3, 7, 4, 6, 0].map((id) =>
    tf.tidy(() => session.step([id, id + 1]).dataSync<'float32'>()),
  );
}

test('forks, marks and files go on from the same point, bit for bit', async () => {
  const model = modelOf({ useMuon: true, tttPrenorm: true });
  const random = new Random(8);
  const session = model.startSession(2);
  session.prefill([randomIds(21, random), randomIds(12, random)]).dispose();
  const mark = session.mark();
  const fork = session.fork();
  await session.save(file);
  const wanted = continuation(session);
  // Tokens that the fork reads alone must not reach the mark or the session.
  const astray = fork.fork();
  astray.prefill([randomIds(30, random), []]).dispose();
  expect(continuation(fork)).toEqual(wanted);
  for (let time = 0; time < 2; time++) {
    session.rewind(mark);
    expect(session.positions).toEqual([21, 12]);
    expect(continuation(session)).toEqual(wanted);
  }
  const loaded = await model.loadSession(file);
  expect(loaded.positions).toEqual([21, 12]);
  expect(continuation(loaded)).toEqual(wanted);
  for (const each of [session, fork, astray, loaded]) each.dispose();
  mark.dispose();
  model.dispose();
});

test('a file is refused by another model and where it is cut short', async () => {
  const model = modelOf();
  const session = model.startSession();
  session.prefill([[1, 2, 3]]).dispose();
  await session.save(file);
  const refused = async (by: LanguageModel, message: RegExp) => {
    const before = tf.memory();
    const error = await by.loadSession(file).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'FastWeightError', code: 'ERR_CHECKPOINT' });
    expect((error as Error).message).toMatch(message);
    expect(tf.memory()).toEqual(before);
  };
  const [reseeded, wider] = [modelOf({}, 4), modelOf({ windowSize: 7 })];
  await refused(reseeded, /a session of this model .* but got one of another/);
  await refused(wider, /a session of this model/);
  const [, weight] = [...namedVariables(model)][3];
  const value = weight.clone();
  weight.assign(tf.tidy(() => tf.mul(value, 1.001)));
  await refused(model, /a session of this model/);
  weight.assign(value);
  const bytes = fs.readFileSync(file);
  fs.writeFileSync(file, bytes.subarray(0, bytes.length - 8));
  await refused(model, /truncated/);
  fs.writeFileSync(file, bytes);
  (await model.loadSession(file)).dispose();
  session.dispose();
  for (const each of [model, reseeded, wider]) each.dispose();
});

test('a model that was saved and loaded starts sessions', async () => {
  const model = modelOf({ tieWordEmbeddings: true });
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  const loaded = await loadLayersModel(tf.io.fromMemory(saved as tf.io.ModelArtifacts));
  expect(loaded).toBeInstanceOf(LanguageModel);
  const run = (from: LanguageModel) => {
    const session = from.startSession();
    const logits = tf.tidy(() => session.prefill([[4, 5, 6, 7]]).dataSync());
    session.dispose();
    return logits;
  };
  expect(run(loaded as LanguageModel)).toEqual(run(model));
  model.dispose();
  loaded.dispose();
});

test('wrong ids are refused and change nothing', () => {
  const model = modelOf();
  const session = model.startSession(2);
  session.step([1, 2]).dispose();
  const wrong: [unknown, string, RegExp][] = [
    [[[1]], 'ERR_SHAPE', /a list for each of 2 sequences for ids but got 1/],
    [[[], []], 'ERR_SHAPE', /at least one token/],
    [[[1], [29]], 'ERR_RANGE', /whole numbers below 29 for ids but got 29 at \[1\]\[0\]/],
    [[[1.5], [2]], 'ERR_RANGE', /1\.5 at \[0\]\[0\]/],
    [[[1], [-1]], 'ERR_RANGE', /-1 at/],
    ['text', 'ERR_SHAPE', /got text/],
  ];
  const bytes = session.bytes;
  for (const [ids, code, message] of wrong) {
    expectError(() => session.prefill(ids as number[][]), code, message);
  }
  expect([session.bytes, session.positions]).toEqual([bytes, [1, 1]]);
  session.step([3, 4]).dispose();
  expectError(() => model.startSession(0), 'ERR_RANGE', /at least 1 for batch/);
  const other = model.startSession(3);
  const mark = other.mark();
  expectError(() => session.rewind(mark), 'ERR_ARGUMENT', /a mark of 2 sequences/);
  mark.dispose();
  other.dispose();
  session.dispose();
  expectError(() => session.step([1, 2]), 'ERR_DISPOSED', /a live session/);
  model.dispose();
});

test('a call that fails within leaves the session unusable until it is rewound', () => {
  const model = modelOf();
  const session = model.startSession();
  session.step([1]).dispose();
  const mark = session.mark();
  const weight = namedVariables(model).get('layers.1.attn.lr_proj.bias') as tf.Variable;
  const value = weight.clone();
  weight.assign(tf.fill(weight.shape, Number.NaN));
  const before = tf.memory();
  expectError(() => session.prefill([[1, 2, 3, 4, 5, 6, 7, 8]]), 'ERR_NON_FINITE', /rates/);
  weight.assign(value);
  expectError(() => session.step([1]), 'ERR_ARGUMENT', /Rewind it to a mark/);
  session.rewind(mark);
  session.step([2]).dispose();
  expect(tf.memory().numTensors).toBeLessThanOrEqual(before.numTensors + 20);
  mark.dispose();
  session.dispose();
  model.dispose();
});

test('memory and bytes stay flat over thousands of tokens', () => {
  const model = modelOf({ numHiddenLayers: 1, useMuon: true });
  const session = model.startSession(2);
  const step = (at: number) => session.step([at % 29, (at * 5) % 29]).dispose();
  session.prefill([[1, 2, 3], [4]]).dispose();
  for (let at = 0; at < 20; at++) step(at);
  const [before, bytes] = [tf.memory(), session.bytes];
  for (let at = 0; at < 2000; at++) step(at);
  expect(tf.memory()).toEqual(before);
  expect(session.bytes).toBe(bytes);
  session.dispose();
  model.dispose();
});

test.each([
  [6, [3, 5, 5, 5]],
  [1, [0, 0, 0, 0]],
  [0, [3, 7, 8, 34]],
])('with a window of %d the keys and values of %j tokens are kept', (windowSize, kept) => {
  const model = modelOf({ windowSize, numLactHeads: 0 });
  const session = model.startSession(2);
  const calls = [
    [3, 1],
    [4, 2],
    [1, 1],
    [22, 30],
  ];
  calls.forEach(([first, second], at) => {
    session.prefill([randomIds(first, new Random(1)), randomIds(second, new Random(2))]).dispose();
    // In both of 2 layers, for 2 sequences, keys and values of 24 floats.
    expect(session.bytes).toBe(2 * 2 * 2 * 24 * 4 * kept[at]);
  });
  session.dispose();
  model.dispose();
});

test('dispose gives everything back', () => {
  const model = modelOf();
  model.logits(tf.tensor2d([[1]], undefined, 'int32')).dispose();
  const before = tf.memory();
  const session = model.startSession();
  session.prefill([randomIds(30, new Random(1))]).dispose();
  const mark = session.mark();
  const generated = session.generate(session.prefill([[1]]), new Sampler({ seed: 2 }));
  const tokens = Array.from({ length: 12 }, () => generated.next().value);
  expect(tokens.every((token) => token !== undefined)).toBe(true);
  generated.return();
  mark.dispose();
  session.dispose();
  expect(tf.memory().numTensors).toBe(before.numTensors);
  model.dispose();
});
