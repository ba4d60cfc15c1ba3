import * as tf from '@tensorflow/tfjs-core';

import { matMul } from './products';

/** The named parameters under one prefix of a model. */
export interface Parameters {
  all: Record<string, tf.Tensor>;
  prefix: string;
}

/** The parameters whose names start with `prefix`. */
export function within(all: Record<string, tf.Tensor>, prefix: string): Parameters {
  return { all, prefix };
}

/** The parameter `name` under the prefix. @throws if there is none. */
export function parameter<T extends tf.Tensor>(params: Parameters, name: string): T {
  const value = params.all[params.prefix + name];
  tf.util.assert(
    value !== undefined,
    () => `Expected a parameter ${params.prefix}${name} for params but got none`,
  );
  return value as T;
}

/** x W^T + b with NAME.weight [out, in] and, with `bias`, NAME.bias [out]; x [batch, tokens, in]. */
export function linear(
  params: Parameters,
  name: string,
  x: tf.Tensor3D,
  bias = false,
): tf.Tensor3D {
  const [batch, tokens, width] = x.shape;
  const weight = parameter<tf.Tensor2D>(params, `${name}.weight`);
  const flat = tf.reshape(x, [batch * tokens, width]) as tf.Tensor2D;
  let y: tf.Tensor = matMul(flat, weight, false, true);
  if (bias) y = tf.add(y, parameter(params, `${name}.bias`));
  return tf.reshape(y, [batch, tokens, weight.shape[0]]);
}
