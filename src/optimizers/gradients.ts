import * as tf from '@tensorflow/tfjs-core';

import { expected } from '../native/errors';
import type { NamedTensor } from './slots';

/** A variable and the gradient of the loss with respect to it. */
export interface VariableGradient {
  variable: tf.Variable;
  gradient: tf.Tensor;
}

/**
 * The variables that an optimizer's `applyGradients` is to change; those without a gradient are left
 * out.
 *
 * @throws FastWeightError ERR_ARGUMENT for a name that is no variable's, or that stands there twice;
 * ERR_SHAPE for a gradient that is not shaped as its variable.
 */
export function variableGradients(
  gradients: tf.NamedTensorMap | NamedTensor[],
): VariableGradient[] {
  const named = Array.isArray(gradients)
    ? gradients
    : Object.entries(gradients).map(([name, tensor]) => ({ name, tensor }));
  const seen = new Set<string>();
  return named
    .filter(({ tensor }) => tensor)
    .map(({ name, tensor: gradient }) => {
      const variable = tf.engine().registeredVariables[name];
      if (!variable || seen.has(name)) {
        const got = variable ? `'${name}' twice` : `'${name}'`;
        throw expected('ERR_ARGUMENT', 'variables, each once', 'gradients', got);
      }
      seen.add(name);
      if (!tf.util.arraysEqual(variable.shape, gradient.shape)) {
        const [wanted, got] = [variable, gradient].map(({ shape }) => `shape [${shape}]`);
        throw expected('ERR_SHAPE', wanted, `the gradient of '${name}'`, got);
      }
      return { variable, gradient };
    });
}
