import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import {
  type LanguageModelConfig,
  languageModel,
  languageModelLoss,
  languageModelParameters,
  loadParameters,
  namedParameters,
  namedVariables,
  reference,
  resolveLanguageModelConfig,
  saveParameters,
} from '../../src';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import { relativeError } from '../../src/verify/compare';

const config: Partial<LanguageModelConfig> = {
  vocabSize: 29,
  hiddenSize: 24,
  numHiddenLayers: 2,
  numAttnHeads: 2,
  numLactHeads: 2,
  windowSize: 6,
  lactChunkSize: 8,
  intermediateSize: 40,
  initializerRange: 0.2,
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-'));
const file = (name: string) => path.join(folder, name);

const ids = (seed: number): tf.Tensor2D =>
  tf.randomUniform<tf.Rank.R2>([2, 21], 0, 29, 'int32', seed);

const values = (model: LayersModel) =>
  [...namedParameters(model).values()].map((parameter) => parameter.read().dataSync());

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
});

afterAll(() => fs.rmSync(folder, { recursive: true }));

test.each<[string, Partial<LanguageModelConfig>]>([
  ['defaults', {}],
  ['tied embeddings', { tieWordEmbeddings: true }],
  ['qkv bias and q/k norm', { qkvBias: true, attnQkNorm: true }],
  ['no silu, full attention', { qkvSilu: false, windowSize: 0 }],
  ['Muon, low rank, wide', { useMuon: true, w0w2LowRank: 3, interMulti: 1.5, lactChunkSize: 16 }],
  ['pre-norm, no rotary, v as it is', { tttPrenorm: true, tttNope: true, noVSilu: true }],
  [
    'one head, no scale, no momentum',
    { numLactHeads: 1, learnableTttScale: false, useMomentum: false },
  ],
  ['attention alone', { numLactHeads: 0 }],
])('%s: names, shapes, loss and gradients are those of the reference', (_name, options) => {
  tf.tidy(() => {
    const full = resolveLanguageModelConfig({ ...config, ...options });
    const model = languageModel({ ...config, ...options }, { seed: 3 });
    const parameters = namedParameters(model);
    expect([...parameters].map(([name, { shape }]) => `${name} ${shape}`).sort()).toEqual(
      languageModelParameters(full)
        .map(({ name, shape }) => `${name} ${shape}`)
        .sort(),
    );
    const params = Object.fromEntries([...parameters].map(([name, p]) => [name, p.read()]));
    const [input, labels] = [ids(1), ids(2)];
    // On tfjs's own backend: the reference shares no kernel with what it checks.
    void tf.setBackend('cpu');
    const expected = reference.evaluateLanguageModel(params, input, labels, full);
    const expectedLoss = expected.loss.dataSync()[0];
    const expectedGradients = new Map(
      Object.entries(expected.gradients).map(([name, gradient]) => [name, gradient.dataSync()]),
    );
    void tf.setBackend('fastweight-cpu');
    const variables = namedVariables(model);
    const actual = tf.variableGrads(
      () => languageModelLoss(model, input, labels),
      [...variables.values()],
    );
    expect(actual.value.dataSync()[0]).toBeCloseTo(expectedLoss, 5);
    // The golden cases hold each gradient to the contract. This compares two float32 evaluations for
    // their meaning: a setting that is read wrongly changes a gradient by its own size, while the
    // smallest biases, sums that nearly cancel, differ by up to 1% between two orders of summation.
    let [difference, size] = [0, 0];
    for (const [name, variable] of variables) {
      const gradient = actual.grads[variable.name].dataSync();
      const wanted = expectedGradients.get(name) as Float32Array;
      expect([name, relativeError(gradient, wanted) < 1e-2]).toEqual([name, true]);
      gradient.forEach((value, at) => {
        difference += (value - wanted[at]) ** 2;
        size += wanted[at] ** 2;
      });
    }
    expect(Math.sqrt(difference / size)).toBeLessThan(full.useMuon ? 5e-4 : 5e-6);
    model.dispose();
  });
});

test('a seed decides the initial weights', () => {
  const models = [1, 1, 2].map((seed) => languageModel(config, { seed }));
  const [a, b, c] = models.map(values);
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
  for (const model of models) model.dispose();
});

test('summary, save and loadLayersModel work, and the loaded model is the same', async () => {
  const model = languageModel({ ...config, tieWordEmbeddings: true, useMuon: true });
  const lines: string[] = [];
  model.summary(undefined, undefined, (line) => lines.push(line));
  expect(lines.join('\n')).toMatch(/layers\.1\.attn \(FastWeightA/);
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
  const artifacts = JSON.parse(JSON.stringify(saved?.modelTopology));
  const loaded = await loadLayersModel(
    tf.io.fromMemory({ ...saved, modelTopology: artifacts } as tf.io.ModelArtifacts),
  );
  expect([...namedParameters(loaded).keys()]).toEqual([...namedParameters(model).keys()]);
  tf.tidy(() => {
    const input = ids(4);
    const logits = (from: LayersModel) => (from.apply(input) as tf.Tensor).dataSync();
    expect(logits(loaded)).toEqual(logits(model));
  });
  for (const each of [model, loaded]) each.dispose();
});

test('fit trains it', async () => {
  const model = languageModel(config);
  const loss = (labels: tf.Tensor, logits: tf.Tensor) =>
    tf.losses.softmaxCrossEntropy(labels, logits);
  model.compile({ optimizer: tf.train.adam(0.01), loss });
  const x = ids(5);
  const y = tf.tidy(() => tf.cast(tf.oneHot(ids(6), 29), 'float32'));
  const { history } = await model.fit(x, y, { epochs: 8, verbose: 0 });
  const losses = history.loss as number[];
  expect(losses[7]).toBeLessThan(losses[0] * 0.8);
  tf.dispose([x, y]);
  model.dispose();
});

describe('parameters as safetensors', () => {
  const model = () => languageModel(config, { seed: 1 });

  test('what is saved loads again, under published names with their prefix too', async () => {
    const [from, to] = [model(), languageModel(config, { seed: 2 })];
    await saveParameters(from, file('saved.safetensors'));
    const { tensors, metadata } = readSafetensors(file('saved.safetensors'));
    const prefixed = new Map(
      [...tensors].map(([name, value]) => [name.startsWith('lm_') ? name : `model.${name}`, value]),
    );
    writeSafetensors(file('published.safetensors'), { tensors: prefixed, metadata });
    expect(values(to)).not.toEqual(values(from));
    loadParameters(to, file('published.safetensors'));
    expect(values(to)).toEqual(values(from));
    for (const each of [from, to]) each.dispose();
  });

  test.each<[string, RegExp, (tensors: Map<string, never>) => unknown]>([
    [
      'a missing name',
      /float32 \[24\] for parameter 'norm.weight' but got none/,
      (t) => t.delete('norm.weight'),
    ],
    [
      'an unknown name',
      /names that the model has for parameters but got 'extra'/,
      (t) => t.set('extra', t.get('norm.weight') as never),
    ],
    [
      'a wrong shape',
      /float32 \[24\] for parameter 'norm.weight' but got float32 \[29, 24\]/,
      (t) => t.set('norm.weight', t.get('lm_head.weight') as never),
    ],
    [
      'a wrong dtype',
      /float32 \[24\] for parameter 'norm.weight' but got int32 \[24\]/,
      (t) =>
        t.set('norm.weight', {
          dtype: 'int32',
          shape: [24],
          data: new Int32Array(24),
        } as never),
    ],
  ])('%s is an ERR_CHECKPOINT and changes nothing', async (_name, message, spoil) => {
    const [from, to] = [model(), languageModel(config, { seed: 2 })];
    await saveParameters(from, file('spoilt.safetensors'));
    const contents = readSafetensors(file('spoilt.safetensors'));
    spoil(contents.tensors as Map<string, never>);
    writeSafetensors(file('spoilt.safetensors'), contents);
    const before = values(to);
    const load = () => loadParameters(to, file('spoilt.safetensors'));
    expect(load).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT' }));
    expect(load).toThrow(message);
    expect(values(to)).toEqual(before);
    for (const each of [from, to]) each.dispose();
  });

  test('a truncated file is an ERR_CHECKPOINT and changes nothing', async () => {
    const to = model();
    await saveParameters(to, file('whole.safetensors'));
    const bytes = fs.readFileSync(file('whole.safetensors'));
    fs.writeFileSync(file('cut.safetensors'), bytes.subarray(0, bytes.length - 5));
    const before = values(to);
    expect(() => loadParameters(to, file('cut.safetensors'))).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT' }),
    );
    expect(values(to)).toEqual(before);
    to.dispose();
  });
});
