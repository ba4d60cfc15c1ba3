import * as tf from '@tensorflow/tfjs-core';
import {
  fastWeightScanOutput,
  languageModel,
  languageModelLoss,
  namedVariables,
  newtonSchulz,
  setNumThreads,
  slidingWindowAttention,
  writeParameters,
} from '../../src';
import { AdamW } from '../../src/optimizers/adamw';
import type { Library } from './library';

/** This package on its CPU backend. */
export async function nativeLibrary(threads: number): Promise<Library> {
  await tf.setBackend('fastweight-cpu');
  setNumThreads(threads);
  return packageLibrary;
}

/** This package on the current backend. */
export const packageLibrary: Library = {
  newtonSchulz: (d, schedule, method) => newtonSchulz(d, schedule, { method }),
  scan: fastWeightScanOutput,
  attention: (q, k, v, window) => slidingWindowAttention(q, k, v, { window }),
  languageModel(parameters, config) {
    const model = languageModel(config);
    writeParameters(model, parameters);
    return {
      variables: namedVariables(model),
      logits: (ids) => model.apply(ids) as tf.Tensor,
      loss: (ids, labels) => languageModelLoss(model, ids, labels),
      startSession: (batch) => model.startSession(batch),
    };
  },
  adam: (learningRate) => new AdamW({ learningRate, weightDecay: 0 }),
};
