import {
  engine,
  type GradConfig,
  type NamedAttrMap,
  type NamedTensorMap,
  type Tensor,
} from '@tensorflow/tfjs-core';

export type GradientTable = GradConfig[];

/** Runs a kernel of several outputs. */
export function runKernels(
  kernelName: string,
  inputs: NamedTensorMap,
  attrs: NamedAttrMap,
): Tensor[] {
  return engine().runKernel(kernelName, inputs, attrs) as Tensor[];
}

/** Runs a kernel of one output. */
export function runKernel(kernelName: string, inputs: NamedTensorMap, attrs: NamedAttrMap): Tensor {
  return engine().runKernel(kernelName, inputs, attrs) as Tensor;
}
