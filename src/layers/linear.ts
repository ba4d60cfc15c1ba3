import {
  fused,
  matMul,
  reshape,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from '@tensorflow/tfjs-core';

/**
 * x W^T + b over the last axis.
 *
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [..., out]
 */
export function linear<T extends Tensor>(x: T, weight: Tensor2D, bias?: Tensor1D): T {
  const [out, width] = weight.shape;
  const leading = x.shape.slice(0, -1);
  const flat = reshape(x, [-1, width]) as Tensor2D;
  const y =
    bias === undefined
      ? matMul(flat, weight, false, true)
      : fused.matMul({ a: flat, b: weight, transposeB: true, bias });
  return reshape(y, [...leading, out]) as T;
}
