// Random tensors and dropout. A gradient recomputes the mask from the seed.
import {
  engine,
  type GradConfig,
  type NamedAttrMap,
  type Tensor,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from './kernel';
import { filled } from './sequence/outputs';

export const randomUniform = 'RandomUniform';
export const randomNormal = 'RandomNormal';
export const dropout = 'Dropout';

interface RandomAttrs {
  shape: number[];
  seed: number;
}

export interface UniformAttrs extends RandomAttrs {
  low: number;
  high: number;
}

export interface NormalAttrs extends RandomAttrs {
  mean: number;
  deviation: number;
}

export interface DropoutAttrs {
  rate: number;
  seed: number;
}

function runUniform({ attrs, backend }: KernelCall<object, UniformAttrs>): TensorInfo {
  const { shape, seed, low, high } = attrs;
  const [y] = filled(backend, [shape], (y) =>
    backend.addon.randomUniform(y, util.sizeFromShape(shape), seed, low, high),
  );
  return y;
}

function runNormal({ attrs, backend }: KernelCall<object, NormalAttrs>): TensorInfo {
  const { shape, seed, mean, deviation } = attrs;
  const [y] = filled(backend, [shape], (y) =>
    backend.addon.randomNormal(y, util.sizeFromShape(shape), seed, mean, deviation),
  );
  return y;
}

function runDropout({ inputs, attrs, backend }: KernelCall<{ x: TensorInfo }, DropoutAttrs>) {
  const { x } = inputs;
  const [y] = filled(backend, [x.shape], (y) =>
    backend.addon.dropout(
      backend.handleOf(x),
      y,
      util.sizeFromShape(x.shape),
      attrs.seed,
      attrs.rate,
    ),
  );
  return y;
}

export const randomKernels: KernelTable = [
  [randomUniform, asKernelFunc(runUniform)],
  [randomNormal, asKernelFunc(runNormal)],
  [dropout, asKernelFunc(runDropout)],
];

export const dropoutGradient: GradConfig = {
  kernelName: dropout,
  gradFunc: (dy, _, attrs) => ({
    x: () => engine().runKernel(dropout, { x: dy as Tensor }, attrs as NamedAttrMap) as Tensor,
  }),
};
