import { resolveLanguageModelConfig } from '../../src/models/language_model_config';
import type { Case, Shape, Suite } from '../case';
import { languageModelFlops } from '../flops';
import { configOf, modelInputs } from './language_model';

const sizes = {
  ...{ prompt: 1024, vocab: 4096, hidden: 512, layers: 4 },
  ...{ attnHeads: 8, fastHeads: 2, chunk: 256, window: 256 },
};
const small = {
  ...{ batch: 2, prompt: 64, vocab: 64, hidden: 32, layers: 2 },
  ...{ attnHeads: 2, fastHeads: 2, chunk: 16, window: 16 },
};

/**
 * A language model in a session: the reading of a prompt, and single tokens after one, whose chunks
 * go on being written.
 */
export const decode: Suite = {
  name: 'decode',
  shapes: [
    { batch: 1, ...sizes },
    { batch: 8, ...sizes },
  ],
  quick: [small],
  cases: (shape) => [sessionCase(shape, 'readPrompt'), sessionCase(shape, 'decode')],
};

function sessionCase(shape: Shape, operation: 'readPrompt' | 'decode'): Case {
  const { batch, prompt, hidden, layers } = shape;
  const config = resolveLanguageModelConfig(configOf(shape));
  const what = operation === 'decode' ? `a token after ${prompt}` : `a prompt of ${prompt}`;
  return {
    suite: 'decode',
    name: `decode, ${what}, batch ${batch}, ${layers} layers of ${hidden}`,
    shape,
    task: { operation, config },
    flops:
      operation === 'decode' ? stepFlops(shape) : languageModelFlops(config, batch, prompt, false),
    tolerance: { outputs: 1e-4, gradients: 0 },
    inputs: () => modelInputs(config, batch, prompt),
  };
}

/** Of one token in the mean over a chunk, in the middle of a long sequence. */
function stepFlops(shape: Shape): number {
  const { batch, chunk, window } = shape;
  const config = resolveLanguageModelConfig(configOf(shape));
  // The difference leaves out the start, where windows are not full and nothing is written.
  const tokens = chunk * (2 + Math.ceil(window / chunk));
  const [long, short] = [tokens + chunk, tokens].map((count) =>
    languageModelFlops(config, batch, count, false),
  );
  return (long - short) / chunk;
}
