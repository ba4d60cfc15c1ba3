import {
  type NamedTensorMap,
  split,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from '@tensorflow/tfjs-core';
import { keepsBfloat16 } from '../backend/activation_storage';
import { type LinearAttrs, linear as linearKernel } from '../kernels/linear';
import { runNativeKernel } from '../ops/native_kernel';
import { storeActivation } from '../ops/store_activation';

/**
 * x W^T + b over the last axis.
 *
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [..., out]
 */
export function linear<T extends Tensor>(x: T, weight: Tensor2D, bias?: Tensor1D): T {
  return run(x, weight, bias, false);
}

/** As {@link linear}, its result stored as an activation. */
export function storedLinear<T extends Tensor>(x: T, weight: Tensor2D, bias?: Tensor1D): T {
  return run(x, weight, bias, keepsBfloat16());
}

/**
 * As {@link storedLinear}, its result cut into parts of equal width.
 *
 * @returns each [..., out / count]
 */
export function splitLinear<T extends Tensor>(
  x: T,
  weight: Tensor2D,
  count: number,
  bias?: Tensor1D,
): T[] {
  return split<T>(linear(x, weight, bias), count, -1).map(storeActivation);
}

function run<T extends Tensor>(
  x: T,
  weight: Tensor2D,
  bias: Tensor1D | undefined,
  stored: boolean,
): T {
  const attrs: LinearAttrs = { stored };
  const inputs: NamedTensorMap = bias === undefined ? { x, weight } : { x, weight, bias };
  return runNativeKernel(linearKernel, inputs, attrs);
}
