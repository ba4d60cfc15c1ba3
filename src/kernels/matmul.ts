// Matrix products, with a bias and an activation in the same pass.
import { broadcast_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import {
  type Epilogue,
  type FusedAttrs,
  type FusedInputs,
  fusedEpilogue,
  withEpilogue,
} from './epilogue';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { expanded } from './transpose';

/**
 * op(a) op(b) for each matrix of a batch; a and b [..., rows, columns], float32.
 *
 * @param mayStore whether the result may be stored as bfloat16, as it then is where the product
 * writes it so
 */
export function matrixProduct(
  backend: FastWeightBackend,
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
  epilogue: Epilogue = {},
  mayStore = false,
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
  const { layout, matMul } = backend.addon;
  layout[0] = isTall ? 1 : batch;
  layout[1] = isTall ? batch * m : m;
  layout[2] = n;
  layout[3] = k;
  layout[4] = shareA ? 1 : 0;
  layout[5] = shareB ? 1 : 0;
  layout[6] = transposeA ? 1 : 0;
  layout[7] = transposeB ? 1 : 0;
  layout[10] = mayStore ? 1 : 0;
  const result = withEpilogue(backend, epilogue, n, 8, (bias, slopes) => {
    const handle = matMul(backend.handleOf(left), backend.handleOf(right), bias, slopes);
    return backend.adopt(handle, [...outer, m, n], 'float32');
  });
  backend.disposeIntermediate(left);
  backend.disposeIntermediate(right);
  return result;
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

function batchMatMul({ inputs: { a, b }, attrs, backend }: KernelCall<MatMulInputs, MatMulAttrs>) {
  if (!areFloats(a, b)) return null;
  return matrixProduct(backend, a, b, attrs.transposeA === true, attrs.transposeB === true);
}

function areFloats(a: TensorInfo, b: TensorInfo): boolean {
  return a.dtype === 'float32' && b.dtype === 'float32';
}

function fusedMatMul({
  inputs,
  attrs,
  backend,
}: KernelCall<MatMulInputs & FusedInputs, MatMulAttrs & FusedAttrs>) {
  const { a, b } = inputs;
  const { transposeA = false, transposeB = false } = attrs;
  const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)];
  const epilogue = fusedEpilogue(inputs, attrs, columns);
  if (!areFloats(a, b) || epilogue === null) return null;
  return matrixProduct(backend, a, b, transposeA, transposeB, epilogue);
}

export const matMulKernels: KernelTable = [
  ['BatchMatMul', kernelOrHost('BatchMatMul', batchMatMul)],
  ['_FusedMatMul', kernelOrHost('_FusedMatMul', fusedMatMul)],
];
