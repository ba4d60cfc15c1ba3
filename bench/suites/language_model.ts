import {
  type LanguageModelConfig,
  resolveLanguageModelConfig,
} from '../../src/models/language_model_config';
import { languageModelParameters } from '../../src/models/language_model_parameters';
import type { Case, Shape, Suite, Tensors } from '../case';
import { languageModelFlops } from '../flops';
import { integers, normal } from '../random_data';

const shapes = [
  {
    ...{ batch: 1, tokens: 1024, vocab: 4096, hidden: 512, layers: 4 },
    ...{ attnHeads: 8, fastHeads: 2, chunk: 256, window: 256 },
  },
];
const quick = [
  {
    ...{ batch: 1, tokens: 64, vocab: 64, hidden: 32, layers: 2 },
    ...{ attnHeads: 2, fastHeads: 2, chunk: 16, window: 16 },
  },
];

/** Loss, gradients and an Adam step of the language model, Muon and momentum in its fast weights. */
export const trainStep: Suite = {
  name: 'train-step',
  shapes,
  quick,
  cases: (shape) => [languageModelCase(shape, 'trainStep', 'train-step')],
};

/** The logits of a whole prompt. */
export const prefill: Suite = {
  name: 'prefill',
  shapes,
  quick,
  cases: (shape) => [languageModelCase(shape, 'prefill', 'prefill')],
};

function languageModelCase(shape: Shape, operation: 'trainStep' | 'prefill', suite: string): Case {
  const { batch, tokens, hidden, layers } = shape;
  const config = resolveLanguageModelConfig(configOf(shape));
  return {
    suite,
    name: `${suite}, tokens ${batch * tokens}, ${layers} layers of ${hidden}`,
    shape,
    task: { operation, config },
    flops: languageModelFlops(config, batch, tokens, operation === 'trainStep'),
    tolerance: { outputs: 1e-4, gradients: 1.5e-3 },
    inputs: () => modelInputs(config, batch, tokens),
  };
}

/** The model of a shape, Muon and momentum in its fast weights. */
export function configOf(shape: Shape): Partial<LanguageModelConfig> {
  return {
    vocabSize: shape.vocab,
    hiddenSize: shape.hidden,
    numHiddenLayers: shape.layers,
    numAttnHeads: shape.attnHeads,
    numLactHeads: shape.fastHeads,
    lactChunkSize: shape.chunk,
    windowSize: shape.window,
    useMuon: true,
    useMomentum: true,
  };
}

/** Parameters of a model, and ids and labels [batch, tokens]. */
export function modelInputs(config: LanguageModelConfig, batch: number, tokens: number): Tensors {
  const tensors: Tensors = new Map([
    ['ids', integers([batch, tokens], 1, config.vocabSize)],
    ['labels', integers([batch, tokens], 2, config.vocabSize)],
  ]);
  for (const [at, { name, shape }] of languageModelParameters(config).entries()) {
    tensors.set(`parameters.${name}`, initialParameter(name, shape, at + 3));
  }
  return tensors;
}

/** Values of a plausible size: gains near 1, fast weights of unit gain, all else small. */
function initialParameter(name: string, shape: number[], seed: number) {
  if (/norm|qk_scale/.test(name)) return normal(shape, seed, 0.1, 1);
  if (/\.w[012]$/.test(name)) return normal(shape, seed, shape[2] ** -0.5);
  return normal(shape, seed, 0.02);
}
