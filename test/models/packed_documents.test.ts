// Documents that share a batch element have the outputs and the gradients that they have alone.
import * as tf from '@tensorflow/tfjs-core';
import {
  type CuSeqlens,
  type LanguageModelConfig,
  languageModel,
  languageModelLoss,
  namedVariables,
} from '../../src';
import { relativeError } from '../../src/verify/compare';
import { contract } from '../../src/verify/contract';
import { expectError, expectNoLeak } from '../support/operations';

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

const tokens = 45;
const randomIds = (seed: number) => tf.randomUniform<tf.Rank.R2>([2, tokens], 0, 29, 'int32', seed);

/** [element, start, end) of each document. */
function documentsOf(cuSeqlens: CuSeqlens): [number, number, number][] {
  const lists = (Array.isArray(cuSeqlens[0]) ? cuSeqlens : [cuSeqlens, cuSeqlens]) as number[][];
  return lists.flatMap((ends, b) =>
    ends.slice(1).map((end, at): [number, number, number] => [b, ends[at], end]),
  );
}

beforeAll(async () => {
  await tf.setBackend('fastweight-cpu');
});

const packings: [string, CuSeqlens][] = [
  [
    'one document',
    [
      [0, tokens],
      [0, tokens],
    ],
  ],
  [
    'the same for every element',
    [
      [0, 9, 10, 33, tokens],
      [0, 9, 10, 33, tokens],
    ],
  ],
  [
    'of many lengths',
    [
      [0, 8, 24, 25, 31, tokens],
      [0, 1, 2, 40, tokens],
    ],
  ],
];

const settings: [string, Partial<LanguageModelConfig>][] = [
  ['defaults', {}],
  ['Muon, pre-norm', { useMuon: true, tttPrenorm: true }],
  ['full attention, one fast-weight head', { windowSize: 0, numLactHeads: 1, useMomentum: false }],
  ['attention alone', { numLactHeads: 0 }],
];

describe.each(settings)('%s', (_name, options) => {
  const tolerance = options.useMuon ? contract.modelWithMuon : contract.model;

  test.each(packings)('%s', (_packing, cuSeqlens) => {
    const model = languageModel({ ...config, ...options }, { seed: 3 });
    tf.tidy(() => {
      const ids = randomIds(1);
      const documents = documentsOf(cuSeqlens);
      const one = ([b, start, end]: number[], of: tf.Tensor2D): tf.Tensor2D =>
        tf.slice(of, [b, start], [1, end - start]);
      const packed = model.logits(ids, { cuSeqlens });
      for (const [b, start, end] of documents) {
        const alone = model.logits(one([b, start, end], ids));
        const got = tf.slice(packed, [b, start, 0], [1, end - start, -1]);
        expect(relativeError(got.dataSync(), alone.dataSync())).toBeLessThan(tolerance.output);
      }
      // The mean over all tokens is that of the documents' means, each by its number of tokens.
      const labels = randomIds(2);
      const variables = [...namedVariables(model).values()];
      const whole = tf.variableGrads(
        () => languageModelLoss(model, ids, labels, { cuSeqlens }),
        variables,
      );
      const apart = tf.variableGrads(() => {
        const losses = documents.map((at) =>
          tf.mul(languageModelLoss(model, one(at, ids), one(at, labels)), at[2] - at[1]),
        );
        return tf.div(tf.addN(losses), 2 * tokens) as tf.Scalar;
      }, variables);
      const error = relativeError(whole.value.dataSync(), apart.value.dataSync());
      expect(error).toBeLessThan(tolerance.output);
      // Two float32 evaluations. Muon's update does not change with the size of the gradient, so its
      // step-size biases get sums that nearly cancel; they count in the sum over all parameters.
      const flat = [whole, apart].map(({ grads }) =>
        variables.map(({ name }) => grads[name].dataSync()),
      );
      variables.forEach(({ name }, at) => {
        const error = relativeError(flat[0][at], flat[1][at]);
        const cancels = options.useMuon && name.includes('lr_proj.bias');
        expect([name, cancels || error < tolerance.gradient]).toEqual([name, true]);
      });
      const [got, wanted] = flat.map((arrays) => arrays.flatMap((values) => [...values]));
      expect(relativeError(got, wanted)).toBeLessThan(options.useMuon ? 5e-4 : 5e-6);
    });
    model.dispose();
  });
});

test('wrong ends are refused, and nothing is left behind', () => {
  const model = languageModel(config);
  const ids = randomIds(1);
  model.logits(ids).dispose();
  const refused = (cuSeqlens: unknown, code: string, message: RegExp) =>
    expectNoLeak(() =>
      expectError(() => model.logits(ids, { cuSeqlens: cuSeqlens as CuSeqlens }), code, message),
    );
  const whole = [0, tokens];
  refused([0, tokens], 'ERR_SHAPE', /a list for each of 2 for cuSeqlens but got 1/);
  refused([whole, whole, whole], 'ERR_SHAPE', /but got 3/);
  refused([whole, [0, 9]], 'ERR_ARGUMENT', /rising from 0 to 45 for cuSeqlens but got \[0,9\]/);
  refused([whole, [1, tokens]], 'ERR_ARGUMENT', /rising from 0/);
  refused([whole, [0, 9, 9, tokens]], 'ERR_ARGUMENT', /rising from 0/);
  refused([whole, [0, 2.5, tokens]], 'ERR_ARGUMENT', /rising from 0/);
  refused([], 'ERR_ARGUMENT', /the ends of documents/);
  expectNoLeak(() => model.logits(ids, { cuSeqlens: [[0, 4, tokens], whole] }).dispose());
  ids.dispose();
  model.dispose();
});
