import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';

import { VideoAttention } from '../layers/video_attention';
import { writeParameters } from '../models/checkpoint_parameters';
import { languageModel, languageModelLoss } from '../models/language_model';
import { namedVariables } from '../models/named_parameters';
import { viewSynthesis, viewSynthesisLoss } from '../models/view_synthesis';
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
  evaluateVideoLayer(params, x, cotangent, config) {
    const name = 'layer';
    const input = layers.input({ shape: x.shape.slice(1) });
    const layer = new VideoAttention({ ...config, name });
    const model = layers.model({
      inputs: input,
      outputs: layer.apply(input) as layers.SymbolicTensor,
    });
    try {
      const named = Object.entries(params).map(([key, value]) => [`${name}.${key}`, value]);
      writeParameters(model, Object.fromEntries(named));
      const variables = [...namedVariables(model).values()];
      return tf.tidy(() => {
        const leaf = tf.variable(x);
        const weighted = () =>
          tf.sum<tf.Scalar>(tf.mul(model.apply(leaf, { training: true }) as tf.Tensor, cotangent));
        const { grads } = tf.variableGrads(weighted, [leaf, ...variables]);
        const gradients: Record<string, tf.Tensor> = { x: grads[leaf.name] };
        for (const [key, variable] of namedVariables(model)) {
          gradients[key.slice(name.length + 1)] = grads[variable.name];
        }
        leaf.dispose();
        return { y: model.apply(x) as tf.Tensor4D, gradients };
      }) as ReturnType<Implementation['evaluateVideoLayer']>;
    } finally {
      model.dispose();
    }
  },
  evaluateViewSynthesis(params, context, targets, config) {
    const model = viewSynthesis(config);
    try {
      writeParameters(model, params);
      const variables = namedVariables(model);
      return tf.tidy(() => {
        const lossOf = () => viewSynthesisLoss(model, context, targets);
        const { value: loss, grads } = tf.variableGrads(lossOf, [...variables.values()]);
        const gradients = Object.fromEntries(
          [...variables].map(([name, variable]) => [name, grads[variable.name]]),
        );
        const rendering = model.forward(context, targets);
        const states = model.reconstruct(context);
        const [height, width] = context.image.shape.slice(3);
        const rendered = model.render(states, targets, [height, width]);
        const weights = states.map((state) => ({ ...state.weights }));
        return { rendering, rendered, loss, gradients, states: weights };
      }) as ReturnType<Implementation['evaluateViewSynthesis']>;
    } finally {
      model.dispose();
    }
  },
};
