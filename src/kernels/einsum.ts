// Einsum of one or two tensors as sums, transposes and one batched matrix product.
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { matrixProduct } from './matmul';
import { summed } from './reduce';
import { transposed } from './transpose';

/** A tensor and the label of each of its axes. */
interface Term {
  tensor: TensorInfo;
  labels: string[];
}

const without = (labels: string[], others: string[]) =>
  labels.filter((label) => !others.includes(label));
const common = (labels: string[], others: string[]) =>
  labels.filter((label) => others.includes(label));

/** Replaces a term by what `change` makes of its tensor, and drops the old one. */
function changed(
  backend: FastWeightBackend,
  term: Term,
  labels: string[],
  change: (tensor: TensorInfo) => TensorInfo,
): Term {
  const tensor = change(term.tensor);
  backend.disposeIntermediate(term.tensor);
  return { tensor, labels };
}

/** Sums a term over the axes whose labels are not in `kept`. */
function sumOut(backend: FastWeightBackend, term: Term, kept: string[]): Term {
  const labels = common(term.labels, kept);
  const axes = term.labels.flatMap((label, axis) => (kept.includes(label) ? [] : [axis]));
  return changed(backend, term, labels, (tensor) => summed(backend, tensor, axes));
}

/** A term with its axes in the order of `labels`. */
function ordered(backend: FastWeightBackend, term: Term, labels: string[]): Term {
  const perm = labels.map((label) => term.labels.indexOf(label));
  return changed(backend, term, labels, (tensor) => transposed(backend, tensor, perm));
}

function sizesOf({ tensor, labels }: Term, wanted: string[]): number[] {
  return wanted.map((label) => tensor.shape[labels.indexOf(label)]);
}

/** A term as matrices [batch, rows, columns], and whether they are to be read transposed. */
function asMatrices(
  backend: FastWeightBackend,
  term: Term,
  batch: string[],
  rows: string[],
  columns: string[],
): { term: Term; isTransposed: boolean } {
  const isTransposed = term.labels.join() === [...batch, ...columns, ...rows].join();
  const [first, second] = isTransposed ? [columns, rows] : [rows, columns];
  const shape = [batch, first, second].map((labels) => util.sizeFromShape(sizesOf(term, labels)));
  const inOrder = ordered(backend, term, [...batch, ...first, ...second]);
  const matrices = changed(backend, inOrder, inOrder.labels, (x) => backend.alias(x, shape));
  return { term: matrices, isTransposed };
}

/** The product of two terms, summed over the labels that both have and `output` lacks. */
function contracted(backend: FastWeightBackend, a: Term, b: Term, output: string[]): Term {
  const left = sumOut(backend, a, [...b.labels, ...output]);
  const right = sumOut(backend, b, [...left.labels, ...output]);
  const shared = common(left.labels, right.labels);
  const batch = common(shared, output);
  const inner = without(shared, output);
  const rows = without(left.labels, shared);
  const columns = without(right.labels, shared);
  const shape = [...sizesOf(left, [...batch, ...rows]), ...sizesOf(right, columns)];
  const lhs = asMatrices(backend, left, batch, rows, inner);
  const rhs = asMatrices(backend, right, batch, inner, columns);
  const { tensor: x } = lhs.term;
  const { tensor: y } = rhs.term;
  const product = matrixProduct(backend, x, y, lhs.isTransposed, rhs.isTransposed);
  backend.disposeIntermediate(x);
  backend.disposeIntermediate(y);
  return { tensor: { ...product, shape }, labels: [...batch, ...rows, ...columns] };
}

function einsum({ inputs, attrs, backend }: KernelCall<TensorInfo[], { equation: string }>) {
  const { allDims, idDims } = backend_util.decodeEinsumEquation(attrs.equation, inputs.length);
  // It reads nothing but the tensors' shapes.
  const tensors = inputs as Parameters<typeof backend_util.checkEinsumDimSizes>[2];
  backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors);
  if (inputs.some(({ dtype }) => dtype !== 'float32')) return null;
  const [operands, result] = attrs.equation.replace(/\s/g, '').split('->');
  const output = [...result];
  const [a, b] = operands
    .split(',')
    .map((labels, index): Term => ({ tensor: backend.alias(inputs[index]), labels: [...labels] }));
  const value = b === undefined ? sumOut(backend, a, output) : contracted(backend, a, b, output);
  return ordered(backend, value, output).tensor;
}

export const einsumKernels: KernelTable = [['Einsum', kernelOrHost('Einsum', einsum)]];
