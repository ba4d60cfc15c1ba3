import { engine, type NamedAttrMap, type NamedTensorMap, type Tensor } from '@tensorflow/tfjs-core';

/**
 * Runs a kernel that takes its inputs by position, because some may be absent: tfjs saves all
 * (`saveAllInputs`) or the same names for every call.
 */
export function runByPosition(
  kernelName: string,
  inputs: readonly Tensor[],
  attrs: object,
): Tensor[] {
  return engine().runKernel(
    kernelName,
    [...inputs] as unknown as NamedTensorMap,
    attrs as NamedAttrMap,
  ) as Tensor[];
}
