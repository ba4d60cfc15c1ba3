// Rounding to bfloat16, in which the result is stored. The cotangent goes through as it is.
import { clone, type GradConfig, type Tensor, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { asKernelFunc, type KernelCall, type KernelTable } from './kernel';

export const storeActivation = 'StoreActivation';

/** `x` rounded and stored as bfloat16, in its own memory where it is so already. */
function rounded(backend: FastWeightBackend, x: TensorInfo): TensorInfo {
  const { addon } = backend;
  const handle = backend.handleOf(x);
  if (addon.isBfloat16(handle)) return backend.alias(x);
  const count = util.sizeFromShape(x.shape);
  return backend.adopt(addon.storeBfloat16(handle, count), x.shape, 'float32');
}

/** What a kernel made, stored as bfloat16 in its place. */
export function stored(backend: FastWeightBackend, made: TensorInfo): TensorInfo {
  try {
    return rounded(backend, made);
  } finally {
    backend.disposeIntermediate(made);
  }
}

export const storeActivationKernels: KernelTable = [
  [
    storeActivation,
    asKernelFunc(({ inputs, backend }: KernelCall<{ x: TensorInfo }>) =>
      rounded(backend, inputs.x),
    ),
  ],
];

export const storeActivationGradient: GradConfig = {
  kernelName: storeActivation,
  gradFunc: (dy) => ({ x: () => clone(dy as Tensor) }),
};
