// Kernels that lay a tensor's elements out anew: one strided copy each.
import { slice_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { elementType, gatherStrided, maxRank, stridesOf } from './layout';

type Call<Attrs> = KernelCall<{ x: TensorInfo }, Attrs>;

/** Whether strided copies serve a tensor: not strings, complex numbers or very many axes. */
export function canCopy(x: TensorInfo): boolean {
  return elementType(x.dtype) !== undefined && x.shape.length <= maxRank;
}

/** `x` with its axes in the order `perm`; shares memory where nothing moves. */
export function transposed(backend: FastWeightBackend, x: TensorInfo, perm: number[]): TensorInfo {
  const shape = perm.map((axis) => x.shape[axis]);
  const strides = stridesOf(x.shape);
  const moving = perm.filter((axis) => x.shape[axis] !== 1);
  if (moving.every((axis, at) => at === 0 || moving[at - 1] < axis)) return backend.alias(x, shape);
  return gatherStrided(backend, x, shape, { fromStrides: perm.map((axis) => strides[axis]) });
}

/** `x` repeated along axes of size 1 to shape `shape`, of the same rank. */
export function expanded(backend: FastWeightBackend, x: TensorInfo, shape: number[]): TensorInfo {
  const strides = stridesOf(x.shape);
  const fromStrides = strides.map((stride, axis) => (x.shape[axis] === 1 ? 0 : stride));
  return gatherStrided(backend, x, shape, { fromStrides });
}

/** The elements from `begin` on, `steps` apart along each axis, as a tensor of shape `shape`. */
export function sliced(
  backend: FastWeightBackend,
  x: TensorInfo,
  begin: number[],
  sizes: number[],
  steps?: number[],
): TensorInfo {
  const strides = stridesOf(x.shape);
  const fromStart = begin.reduce((start, at, axis) => start + at * strides[axis], 0);
  const fromStrides = steps ? strides.map((stride, axis) => stride * steps[axis]) : strides;
  return gatherStrided(backend, x, sizes, { fromStrides, fromStart });
}

function transpose({ inputs: { x }, attrs, backend }: Call<{ perm: number[] }>) {
  return canCopy(x) ? transposed(backend, x, attrs.perm) : null;
}

function slice({ inputs: { x }, attrs, backend }: Call<{ begin: number[]; size: number[] }>) {
  if (!canCopy(x)) return null;
  const [begin, size] = slice_util.parseSliceParams(x, attrs.begin, attrs.size);
  slice_util.assertParamsValid(x, begin, size);
  return sliced(backend, x, begin, size);
}

interface StridedSliceAttrs {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}

function stridedSlice({ inputs: { x }, attrs, backend }: Call<StridedSliceAttrs>) {
  if (!canCopy(x)) return null;
  const { begin, end, strides } = attrs;
  const { beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs;
  const info = slice_util.sliceInfo(
    x.shape,
    begin,
    end,
    strides,
    beginMask,
    endMask,
    ellipsisMask,
    newAxisMask,
    shrinkAxisMask,
  );
  if (info.isIdentity) return backend.alias(x, info.finalShape);
  const sizes = slice_util.computeOutShape(info.begin, info.end, info.strides);
  const result = sliced(backend, x, info.begin, sizes, info.strides);
  return { ...result, shape: info.finalShape };
}

function tile({ inputs: { x }, attrs, backend }: Call<{ reps: number[] }>) {
  const { reps } = attrs;
  const strides = stridesOf(x.shape);
  const axes = x.shape.flatMap((size, axis) => {
    const own = { size, stride: strides[axis] };
    return reps[axis] === 1 ? [own] : [{ size: reps[axis], stride: 0 }, own];
  });
  if (!canCopy(x) || axes.length > maxRank) return null;
  const shape = x.shape.map((size, axis) => size * reps[axis]);
  const sizes = axes.map(({ size }) => size);
  return gatherStrided(backend, x, shape, { sizes, fromStrides: axes.map(({ stride }) => stride) });
}

function reverse({ inputs: { x }, attrs, backend }: Call<{ dims: number[] }>) {
  if (!canCopy(x)) return null;
  const dims = util.parseAxisParam(attrs.dims, x.shape);
  const strides = stridesOf(x.shape);
  const isReversed = x.shape.map((size, axis) => size > 0 && dims.includes(axis));
  const fromStart = x.shape.reduce(
    (start, size, axis) => start + (isReversed[axis] ? (size - 1) * strides[axis] : 0),
    0,
  );
  const fromStrides = strides.map((stride, axis) => (isReversed[axis] ? -stride : stride));
  return gatherStrided(backend, x, x.shape, { fromStrides, fromStart });
}

export const transposeKernels: KernelTable = [
  ['Transpose', kernelOrHost('Transpose', transpose)],
  ['Slice', kernelOrHost('Slice', slice)],
  ['StridedSlice', kernelOrHost('StridedSlice', stridedSlice)],
  ['Tile', kernelOrHost('Tile', tile)],
  ['Reverse', kernelOrHost('Reverse', reverse)],
];
