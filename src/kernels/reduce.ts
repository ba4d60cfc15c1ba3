// Reductions over any axes, softmax and running sums.
import { backend_util, type DataType, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { reductions } from '../native/tensor_kernels_addon';
import { castTo } from './cast';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { elementType } from './layout';
import { transposed } from './transpose';

interface ReduceAttrs {
  axis?: number | number[];
  /** Max and Min call them so. */
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

type Call<Attrs> = KernelCall<{ x: TensorInfo }, Attrs>;

/** A tensor seen as [outer, middle, inner], with the axes in question in the middle. */
interface ThreeAxes {
  x: TensorInfo;
  outer: number;
  middle: number;
  inner: number;
}

/** The product of the sizes of axes [from, to). */
function sizeOf(shape: number[], from: number, to: number): number {
  let size = 1;
  for (let axis = from; axis < to; axis++) size *= shape[axis];
  return size;
}

/**
 * Brings `axes`, ascending, next to one another: as they lie where they are neighbours already,
 * else moved to the end. The caller disposes of the result's tensor.
 */
function withAxesTogether(backend: FastWeightBackend, x: TensorInfo, axes: number[]): ThreeAxes {
  const { shape } = x;
  const rank = shape.length;
  const first = axes.length > 0 ? axes[0] : rank;
  const end = first + axes.length;
  if (axes.length === 0 || axes[axes.length - 1] === end - 1) {
    return {
      x: backend.alias(x),
      outer: sizeOf(shape, 0, first),
      middle: sizeOf(shape, first, end),
      inner: sizeOf(shape, end, rank),
    };
  }
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const moved = transposed(backend, x, [...kept, ...axes]);
  const middle = axes.reduce((size, axis) => size * shape[axis], 1);
  return { x: moved, outer: sizeOf(moved.shape, 0, kept.length), middle, inner: 1 };
}

function ascendingAxes(axis: number | number[] | undefined, shape: number[]): number[] {
  return util.parseAxisParam(axis as number | number[], shape).sort((p, q) => p - q);
}

function shapeWithout(shape: number[], axes: number[], keepDims = false): number[] {
  if (keepDims) return backend_util.expandShapeToKeepDim(shapeWithout(shape, axes), axes);
  return shape.filter((_, axis) => !axes.includes(axis));
}

/** The dtypes that each reduction takes; sums of booleans are integers. */
const dtypesOf: Record<keyof typeof reductions, DataType[]> = {
  Sum: ['float32', 'int32', 'bool'],
  Mean: ['float32'],
  Prod: ['float32', 'int32'],
  Max: ['float32', 'int32'],
  Min: ['float32', 'int32'],
  Any: ['bool'],
  All: ['bool'],
};

/** The sum of a float32 tensor over `axes`, ascending. */
export function summed(backend: FastWeightBackend, x: TensorInfo, axes: number[]): TensorInfo {
  return axes.length === 0 ? backend.alias(x) : reduced(backend, 'Sum', x, axes);
}

/** A reduction of a tensor of a dtype that it takes, over `axes`, ascending. */
function reduced(
  backend: FastWeightBackend,
  name: keyof typeof reductions,
  x: TensorInfo,
  axes: number[],
): TensorInfo {
  const type = elementType(x.dtype) as number;
  const together = withAxesTogether(backend, x, axes);
  const { outer, middle, inner } = together;
  const source = backend.handleOf(together.x);
  const handle = backend.addon.reduce(reductions[name], type, source, outer, middle, inner);
  backend.disposeIntermediate(together.x);
  const dtype = name === 'Sum' && x.dtype === 'bool' ? 'int32' : x.dtype;
  return backend.adopt(handle, shapeWithout(x.shape, axes), dtype);
}

function reduceKernel(name: keyof typeof reductions) {
  return ({ inputs: { x }, attrs, backend }: Call<ReduceAttrs>) => {
    if (!dtypesOf[name].includes(x.dtype)) return null;
    const axes = ascendingAxes(attrs.axis ?? attrs.reductionIndices, x.shape);
    const result = reduced(backend, name, x, axes);
    return { ...result, shape: shapeWithout(x.shape, axes, attrs.keepDims) };
  };
}

/** The mean of integers and booleans is that of their values as float32. */
function mean(call: Call<ReduceAttrs>) {
  const floats = castTo(call.backend, call.inputs.x, 'float32');
  if (floats === null) return null;
  const result = reduceKernel('Mean')({ ...call, inputs: { x: floats } });
  call.backend.disposeIntermediate(floats);
  return result;
}

function argKernel(largest: boolean) {
  return ({ inputs: { x }, attrs, backend }: Call<{ axis: number }>) => {
    if (x.dtype !== 'float32') return null;
    const axes = ascendingAxes(attrs.axis, x.shape).slice(0, 1);
    const { outer, middle, inner, x: alias } = withAxesTogether(backend, x, axes);
    const handle = backend.addon.argReduce(largest, backend.handleOf(alias), outer, middle, inner);
    backend.disposeIntermediate(alias);
    return backend.adopt(handle, shapeWithout(x.shape, axes), 'int32');
  };
}

interface CumulativeAttrs {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}

function cumulativeKernel(isProduct: boolean) {
  return ({ inputs: { x }, attrs, backend }: Call<CumulativeAttrs>) => {
    if (x.dtype !== 'float32') return null;
    const { exclusive, reverse } = attrs;
    const axes = ascendingAxes(attrs.axis, x.shape);
    const { outer, middle, inner, x: alias } = withAxesTogether(backend, x, axes);
    const source = backend.handleOf(alias);
    const handle = backend.addon.cumulative(
      isProduct,
      exclusive === true,
      reverse === true,
      source,
      outer,
      middle,
      inner,
    );
    backend.disposeIntermediate(alias);
    return backend.adopt(handle, x.shape, 'float32');
  };
}

function softmax({
  inputs: { logits },
  attrs,
  backend,
}: KernelCall<{ logits: TensorInfo }, { dim: number }>) {
  const last = logits.shape.length - 1;
  const isLast = attrs.dim === -1 || attrs.dim === last;
  if (logits.dtype !== 'float32' || !isLast || last < 0) return null;
  const rows = sizeOf(logits.shape, 0, last);
  const handle = backend.addon.softmax(backend.handleOf(logits), rows, logits.shape[last]);
  return backend.adopt(handle, logits.shape, 'float32');
}

export const reduceKernels: KernelTable = [
  ...(['Sum', 'Prod', 'Max', 'Min', 'Any', 'All'] as const).map((name): KernelTable[0] => [
    name,
    kernelOrHost(name, reduceKernel(name)),
  ]),
  ['Mean', kernelOrHost('Mean', mean)],
  ['ArgMax', kernelOrHost('ArgMax', argKernel(true))],
  ['ArgMin', kernelOrHost('ArgMin', argKernel(false))],
  ['Cumsum', kernelOrHost('Cumsum', cumulativeKernel(false))],
  ['Cumprod', kernelOrHost('Cumprod', cumulativeKernel(true))],
  ['Softmax', kernelOrHost('Softmax', softmax)],
];
