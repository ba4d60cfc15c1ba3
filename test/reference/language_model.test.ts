import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers';
import * as tf from '@tensorflow/tfjs-core';

import {
  type LanguageModelConfig,
  resolveLanguageModelConfig,
} from '../../src/models/language_model_config';
import { languageModelParameters } from '../../src/models/language_model_parameters';
import { languageModel, languageModelLoss } from '../../src/reference';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const small: Partial<LanguageModelConfig> = {
  vocabSize: 11,
  hiddenSize: 16,
  numHiddenLayers: 1,
  numAttnHeads: 4,
  numLactHeads: 2,
  windowSize: 4,
  lactChunkSize: 5,
  intermediateSize: 12,
};

function randomParameters(config: LanguageModelConfig): Record<string, tf.Tensor> {
  return Object.fromEntries(
    languageModelParameters(config).map(({ name, shape }, seed) => [
      name,
      tf.randomNormal(shape, 0, 0.5, 'float32', seed + 1),
    ]),
  );
}

const ids = () => tf.tensor2d([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1]], undefined, 'int32');

const options: Partial<LanguageModelConfig>[] = [
  {},
  { qkvBias: true },
  { attnQkNorm: true },
  { tieWordEmbeddings: true },
  { qkvSilu: false },
  { learnableTttScale: false },
  { numLactHeads: 0 },
  { interMulti: 1.5, useMuon: true, newtonSchulz: 'keller5' },
];

describe.each(options)('with %j', (option) => {
  const config = resolveLanguageModelConfig({ ...small, ...option });

  test('every parameter has a gradient that is finite and not zero, and nothing leaks', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const params = randomParameters(config);
      const names = Object.keys(params);
      const labels = tf.tensor2d([[2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, -100]], undefined, 'int32');
      const gradients = tf.grads((...values) => {
        const given = Object.fromEntries(names.map((name, at) => [name, values[at]]));
        return languageModelLoss(given, ids(), labels, config);
      })(Object.values(params));
      gradients.forEach((gradient, at) => {
        const size = tf.norm(gradient).dataSync()[0];
        expect([names[at], Number.isFinite(size) && size > 0]).toEqual([names[at], true]);
      });
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('is causal and keeps batch elements apart', () => {
    tf.tidy(() => {
      const params = randomParameters(config);
      const changed = tf.tensor2d([[1, 2, 3, 4, 5, 6, 7, 8, 3, 3, 3, 3]], undefined, 'int32');
      const both = tf.concat([ids(), changed]) as tf.Tensor2D;
      const [a, b] = tf.unstack(languageModel(params, both, config));
      const head = (x: tf.Tensor) => tf.slice(x as tf.Tensor2D, [0, 0], [8, -1]).arraySync();
      expect(head(a)).toEqual(head(b));
      expect(a.arraySync()).not.toEqual(b.arraySync());
    });
  });
});

test('a label below 0 leaves its position out of the loss', () => {
  tf.tidy(() => {
    const config = resolveLanguageModelConfig(small);
    const params = randomParameters(config);
    const only = Array(12).fill(-100);
    only[3] = 7;
    const labels = tf.tensor2d([only], undefined, 'int32');
    const loss = languageModelLoss(params, ids(), labels, config).dataSync()[0];
    const logits = languageModel(params, ids(), config).arraySync()[0][3];
    const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
    expect(loss).toBeCloseTo(total - logits[7], 5);
  });
});

test('a missing parameter is named', () => {
  const config = resolveLanguageModelConfig(small);
  const { 'layers.0.attn.o_proj.weight': _gone, ...rest } = randomParameters(config);
  expect(() => languageModel(rest, ids(), config)).toThrow('layers.0.attn.o_proj.weight');
});
