// What follows a product in the same pass: a bias and an activation.
import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import type { Handle } from '../native/tensor_storage_addon';
import { binary } from './binary';

export interface Epilogue {
  /** [columns], added to every row. */
  bias?: TensorInfo;
  /** Kernel name of a function that every element goes through, and its parameter. */
  activation?: string;
  parameter?: number;
  /** Of a parametric relu, broadcast to the product. */
  slopes?: TensorInfo;
}

/** Kernels of the activations that a product can end with, by tfjs's names and two of ours. */
const activationKernels: Readonly<Record<string, string | undefined>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  leakyrelu: 'LeakyRelu',
  silu: 'Silu',
  gelu: 'Gelu',
};

export interface FusedInputs {
  bias?: TensorInfo | null;
  preluActivationWeights?: TensorInfo | null;
}

export interface FusedAttrs {
  activation?: string;
  leakyreluAlpha?: number;
}

/** The epilogue of a fused kernel's call; null where native code does not serve it. */
export function fusedEpilogue(
  { bias, preluActivationWeights }: FusedInputs,
  { activation = 'linear', leakyreluAlpha }: FusedAttrs,
  columns: number,
): Epilogue | null {
  const kernel = activationKernels[activation];
  const isPrelu = activation === 'prelu';
  const slopes = isPrelu ? (preluActivationWeights ?? undefined) : undefined;
  const isServed = kernel !== undefined || activation === 'linear' || slopes !== undefined;
  const areFloats = [bias, slopes].every((tensor) => tensor == null || tensor.dtype === 'float32');
  if (!isServed || !areFloats || (bias != null && !isRow(bias, columns))) return null;
  return { bias: bias ?? undefined, activation: kernel, parameter: leakyreluAlpha, slopes };
}

/** Whether a tensor is one row, the same for every row of a product. */
function isRow(x: TensorInfo, columns: number): boolean {
  return x.shape[x.shape.length - 1] === columns && util.sizeFromShape(x.shape) === columns;
}

/**
 * Runs `product` with an epilogue for its `columns` columns: the activation is written to the
 * addon's `layout` from `at` on, the bias and the slopes are handed over, 0 for none.
 */
export function withEpilogue(
  backend: FastWeightBackend,
  { bias, activation = '', parameter = 0, slopes }: Epilogue,
  columns: number,
  at: number,
  product: (bias: Handle, slopes: Handle) => TensorInfo,
): TensorInfo {
  const { layout, unaryCodes } = backend.addon;
  layout[at] = unaryCodes[activation] ?? -1;
  layout[at + 1] = parameter;
  const handle = (x?: TensorInfo) => (x === undefined ? (0 as Handle) : backend.handleOf(x));
  if (slopes === undefined || isRow(slopes, columns)) return product(handle(bias), handle(slopes));
  const result = product(handle(bias), handle());
  const rectified = binary(backend, 'Prelu', result, slopes, 'float32') as TensorInfo;
  backend.disposeIntermediate(result);
  return rectified;
}
