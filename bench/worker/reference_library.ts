// The reference, which is plain TensorFlow.js, on TensorFlow.js's own backends.
import '@tensorflow/tfjs-layers'; // registers the gradients
import * as tf from '@tensorflow/tfjs-core';
import * as reference from '../../src/reference';
import type { Library } from './library';

/** tfjs backends by the name of the contender. */
const backends = { 'tfjs-cpu': 'cpu', 'tfjs-wasm': 'wasm', 'tfjs-node': 'tensorflow' } as const;
export type ReferenceContender = keyof typeof backends;

async function load(contender: ReferenceContender, threads: number): Promise<void> {
  if (contender === 'tfjs-cpu') await import('@tensorflow/tfjs-backend-cpu');
  if (contender === 'tfjs-wasm') {
    const { setThreadsCount } = await import('@tensorflow/tfjs-backend-wasm');
    setThreadsCount(threads);
  }
  // By name: it is no dependency of this package, and comes from where --tfjs-node says.
  if (contender === 'tfjs-node') require(['@tensorflow', 'tfjs-node'].join('/'));
  if (!(await tf.setBackend(backends[contender]))) throw new Error(`${contender} does not start`);
}

/** The reference on the backend of `contender`. */
export async function referenceLibrary(
  contender: ReferenceContender,
  threads: number,
): Promise<Library> {
  await load(contender, threads);
  return {
    newtonSchulz: (d, schedule) => reference.newtonSchulz(d, schedule),
    scan: (...scan) => tf.tidy(() => reference.fastWeightScan(...scan).output),
    attention: reference.slidingWindowAttention,
    languageModel(parameters, config) {
      const variables = new Map(
        Object.entries(parameters).map(([name, value]) => [name, tf.variable(value, true, name)]),
      );
      const values = Object.fromEntries(variables);
      return {
        variables,
        logits: (ids) => reference.languageModel(values, ids, config),
        loss: (ids, labels) => reference.languageModelLoss(values, ids, labels, config),
      };
    },
    adam: (learningRate) => tf.train.adam(learningRate, 0.9, 0.999, 1e-8),
  };
}
