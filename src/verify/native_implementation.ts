import * as tf from '@tensorflow/tfjs-core';

import { writeParameters } from '../models/checkpoint_parameters';
import { languageModel, languageModelLoss } from '../models/language_model';
import { namedVariables } from '../models/named_parameters';
import { fastWeightScan } from '../ops/fast_weight_scan';
import { newtonSchulz } from '../ops/newton_schulz';
import type { Implementation } from '../reference';

/** The operations and models of this package, for golden cases on its own backends. */
export const nativeImplementation: Implementation = {
  fastWeightScan,
  newtonSchulz,
  evaluateLanguageModel(params, ids, labels, config) {
    const model = languageModel(config);
    try {
      writeParameters(model, params);
      const variables = namedVariables(model);
      return tf.tidy(() => {
        const lossOf = () => languageModelLoss(model, ids, labels);
        const { value: loss, grads } = tf.variableGrads(lossOf, [...variables.values()]);
        const gradients = Object.fromEntries(
          [...variables].map(([name, variable]) => [name, grads[variable.name]]),
        );
        return { logits: model.apply(ids) as tf.Tensor3D, loss, gradients };
      }) as ReturnType<Implementation['evaluateLanguageModel']>;
    } finally {
      model.dispose();
    }
  },
};
