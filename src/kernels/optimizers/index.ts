// Kernels of optimizers. The steps have no outputs: they change variables in place, which therefore
// must be the only tensors of their memory (see optimizers/sole_owner.ts).
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { asKernelFunc, type KernelCall, type KernelTable } from '../kernel';
import { filled } from '../sequence/outputs';
import { tensorTable } from './tensor_table';

export const adamWStep = 'AdamWStep';
export const muonStep = 'MuonStep';
export const globalNorm = 'GlobalNorm';

type Inputs = Record<string, TensorInfo>;

export interface AdamWStepAttrs {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** What stays of a variable: 1 - learning rate * decay. */
  kept: number;
  /** Learning rate / (1 - beta1^step). */
  rate: number;
  /** 1 - beta2^step. */
  secondCorrection: number;
}

/** Rows of variable, gradient, first moment, second moment, of one shape each. */
function runAdamWStep({ inputs, attrs, backend }: KernelCall<Inputs, AdamWStepAttrs>) {
  backend.addon.adamWStep(
    tensorTable(backend, inputs, 4),
    attrs.beta1,
    attrs.beta2,
    attrs.epsilon,
    attrs.kept,
    attrs.rate,
    attrs.secondCorrection,
  );
  return [];
}

export interface MuonStepAttrs {
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  /** What stays of a variable: 1 - learning rate * decay. */
  kept: number;
  /** a, b, c of each Newton-Schulz step. */
  schedule: Float64Array;
  /** Factor of each variable's update. */
  scales: number[];
}

/** Rows of variable, gradient, average of gradients, of one shape [batch..., rows, columns] each. */
function runMuonStep({ inputs, attrs, backend }: KernelCall<Inputs, MuonStepAttrs>) {
  const table = tensorTable(backend, inputs, 3, ({ shape }, row) => {
    const [batch, rows, columns] = shape.length === 2 ? [1, ...shape] : shape;
    return [batch, rows, columns, attrs.scales[row]];
  });
  const { schedule, learningRate, momentum, nesterov, kept } = attrs;
  backend.addon.muonStep(table, schedule, learningRate, momentum, nesterov, kept);
  return [];
}

/** Any number of tensors -> a scalar */
function runGlobalNorm({ inputs, backend }: KernelCall<Inputs>): TensorInfo {
  const [norm] = filled(backend, [[]], (norm) =>
    backend.addon.globalNorm(tensorTable(backend, inputs, 1), norm),
  );
  return norm;
}

export const optimizerKernels: KernelTable = [
  [adamWStep, asKernelFunc(runAdamWStep)],
  [muonStep, asKernelFunc(runMuonStep)],
  [globalNorm, asKernelFunc(runGlobalNorm)],
];
