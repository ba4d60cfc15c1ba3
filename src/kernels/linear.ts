// x W^T + b over the last axis. Its gradient keeps x and W, not the result.
import {
  type GradConfig,
  matMul,
  reshape,
  sum,
  type Tensor,
  type Tensor2D,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from './kernel';
import { matrixProduct } from './matmul';
import { stored } from './store_activation';

export const linear = 'Linear';

export interface LinearAttrs {
  /** Whether the result is stored as bfloat16. */
  stored: boolean;
}

/** x [..., in], weight [out, in], bias [out] */
type Inputs = { x: TensorInfo; weight: TensorInfo; bias?: TensorInfo };

/** -> [..., out] */
function run({ inputs: { x, weight, bias }, attrs, backend }: KernelCall<Inputs, LinearAttrs>) {
  const [out, width] = weight.shape;
  const leading = x.shape.slice(0, -1);
  const flat = backend.alias(x, [util.sizeFromShape(leading), width]);
  const product = matrixProduct(backend, flat, weight, false, true, { bias }, attrs.stored);
  backend.disposeIntermediate(flat);
  const y = { ...product, shape: [...leading, out] };
  return attrs.stored ? stored(backend, y) : y;
}

export const linearKernels: KernelTable = [[linear, asKernelFunc(run)]];

export const linearGradient: GradConfig = {
  kernelName: linear,
  inputsToSave: ['x', 'weight'],
  gradFunc: (cotangent, [x, weight]) => {
    const dy = cotangent as Tensor;
    const [out, width] = weight.shape;
    const rows: Tensor2D = reshape(dy, [-1, out]);
    return {
      x: () => reshape(matMul(rows, weight), x.shape),
      weight: () => matMul(rows, reshape(x, [-1, width]), true),
      bias: () => sum(rows, 0),
    };
  },
};
