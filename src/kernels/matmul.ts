// Matrix products, with a bias and an activation in the same pass.
import { broadcast_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { binary } from './binary';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { expanded } from './transpose';

/** What follows the product of matrices, in place. */
interface Epilogue {
  /** [n], added to every row. */
  bias?: TensorInfo;
  /** Kernel name of a function that every element goes through, and its parameter. */
  activation?: string;
  parameter?: number;
}

/** op(a) op(b) for each matrix of a batch; a and b [..., rows, columns], float32. */
export function matrixProduct(
  backend: FastWeightBackend,
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
  epilogue: Epilogue = {},
): TensorInfo {
  util.assert(
    a.shape.length >= 2 && b.shape.length >= 2,
    () => `Error in matMul: expected rank 2 or more but got shapes [${a.shape}] and [${b.shape}]`,
  );
  const [aRows, aColumns] = a.shape.slice(-2);
  const [bRows, bColumns] = b.shape.slice(-2);
  const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [innerB, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  util.assert(
    k === innerB,
    () =>
      `Error in matMul: inner shapes (${k}) and (${innerB}) of tensors with shapes ${a.shape} and ` +
      `${b.shape} and transposeA=${transposeA} and transposeB=${transposeB} must match.`,
  );
  const outer = broadcast_util.assertAndGetBroadcastShape(
    a.shape.slice(0, -2),
    b.shape.slice(0, -2),
  );
  const batch = util.sizeFromShape(outer);
  const [left, right] = [a, b].map((x) => withBatch(backend, x, outer, batch));
  const shareA = batch > 1 && isOneMatrix(left);
  const shareB = batch > 1 && isOneMatrix(right);
  // Matrices that meet the same right operand are the rows of one tall matrix.
  const isTall = shareB && !shareA && !transposeA;
  const { layout, unaryCodes, matMul } = backend.addon;
  layout[0] = isTall ? 1 : batch;
  layout[1] = isTall ? batch * m : m;
  layout[2] = n;
  layout[3] = k;
  layout[4] = shareA ? 1 : 0;
  layout[5] = shareB ? 1 : 0;
  layout[6] = transposeA ? 1 : 0;
  layout[7] = transposeB ? 1 : 0;
  layout[8] = unaryCodes[epilogue.activation ?? ''] ?? -1;
  layout[9] = epilogue.parameter ?? 0;
  const bias = epilogue.bias === undefined ? 0 : backend.handleOf(epilogue.bias);
  const handle = matMul(backend.handleOf(left), backend.handleOf(right), bias);
  backend.disposeIntermediate(left);
  backend.disposeIntermediate(right);
  return backend.adopt(handle, [...outer, m, n], 'float32');
}

function isOneMatrix(x: TensorInfo): boolean {
  return util.sizeFromShape(x.shape.slice(0, -2)) === 1;
}

/** `x` with as many matrices as the batch, or one for all of it. The caller disposes of it. */
function withBatch(
  backend: FastWeightBackend,
  x: TensorInfo,
  outer: number[],
  batch: number,
): TensorInfo {
  const own = x.shape.slice(0, -2);
  const size = util.sizeFromShape(own);
  if (size === batch || size === 1) return backend.alias(x);
  const missing = new Array<number>(outer.length - own.length).fill(1);
  const aligned = { ...x, shape: [...missing, ...x.shape] };
  return expanded(backend, aligned, [...outer, ...x.shape.slice(-2)]);
}

interface MatMulAttrs {
  transposeA: boolean;
  transposeB: boolean;
}

type MatMulInputs = { a: TensorInfo; b: TensorInfo };

function areFloats(...tensors: (TensorInfo | undefined | null)[]): boolean {
  return tensors.every((tensor) => tensor == null || tensor.dtype === 'float32');
}

function batchMatMul({ inputs: { a, b }, attrs, backend }: KernelCall<MatMulInputs, MatMulAttrs>) {
  if (!areFloats(a, b)) return null;
  return matrixProduct(backend, a, b, attrs.transposeA === true, attrs.transposeB === true);
}

/** Kernels of the activations that a product can end with. */
const activationKernels: Readonly<Record<string, string | undefined>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  elu: 'Elu',
  sigmoid: 'Sigmoid',
  leakyrelu: 'LeakyRelu',
};

type FusedInputs = MatMulInputs & { bias?: TensorInfo; preluActivationWeights?: TensorInfo };

interface FusedAttrs extends MatMulAttrs {
  activation?: string;
  leakyreluAlpha?: number;
}

function fusedMatMul({ inputs, attrs, backend }: KernelCall<FusedInputs, FusedAttrs>) {
  const { a, b, bias, preluActivationWeights: slopes } = inputs;
  const { transposeA = false, transposeB = false, activation = 'linear', leakyreluAlpha } = attrs;
  const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)];
  const isRowBias = bias == null || (bias.shape.length > 0 && isRow(bias, columns));
  const kernel = activationKernels[activation];
  const isServed = kernel !== undefined || activation === 'linear' || activation === 'prelu';
  if (!areFloats(a, b, bias, slopes) || !isRowBias || !isServed) return null;
  const product = matrixProduct(backend, a, b, transposeA, transposeB, {
    bias: bias ?? undefined,
    activation: kernel,
    parameter: leakyreluAlpha,
  });
  if (activation !== 'prelu') return product;
  const result = binary(backend, 'Prelu', product, slopes as TensorInfo, 'float32');
  backend.disposeIntermediate(product);
  return result;
}

/** Whether a bias is the same for every row. */
function isRow(bias: TensorInfo, columns: number): boolean {
  return (
    bias.shape[bias.shape.length - 1] === columns && util.sizeFromShape(bias.shape) === columns
  );
}

export const matMulKernels: KernelTable = [
  ['BatchMatMul', kernelOrHost('BatchMatMul', batchMatMul)],
  ['_FusedMatMul', kernelOrHost('_FusedMatMul', fusedMatMul)],
];
