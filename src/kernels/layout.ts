// Shapes as native walks: sizes and strides, in elements.
import { backend_util, type DataType, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { bytesPerElement } from '../backend/tensor_data';
import { elementTypes } from '../native/tensor_kernels_addon';

/** Axes that a native walk can have. */
export const maxRank = 8;

/** The native number of a dtype, or undefined for strings and complex numbers. */
export function elementType(dtype: DataType): number | undefined {
  return elementTypes[dtype as keyof typeof elementTypes];
}

/** The shape of a op b under broadcasting. Throws where there is none. */
export function broadcastShape(a: number[], b: number[]): number[] {
  return util.arraysEqual(a, b) ? a : backend_util.assertAndGetBroadcastShape(a, b);
}

/** Writes the walk over `out` beside a and b, and returns its rank. */
export function writeBroadcast(
  layout: Float64Array,
  out: number[],
  a: number[],
  b: number[],
): number {
  const count = util.sizeFromShape(out);
  const aCount = util.sizeFromShape(a);
  const bCount = util.sizeFromShape(b);
  if ((aCount === count || aCount === 1) && (bCount === count || bCount === 1)) {
    layout[0] = count;
    layout[1] = aCount === count ? 1 : 0;
    layout[2] = bCount === count ? 1 : 0;
    return 1;
  }
  layout.set(out, 0);
  writeBroadcastStrides(layout, out.length, out.length, a);
  writeBroadcastStrides(layout, 2 * out.length, out.length, b);
  return out.length;
}

/** Writes `rank` strides of a tensor aligned at the last axis; 0 where it repeats. */
function writeBroadcastStrides(
  layout: Float64Array,
  at: number,
  rank: number,
  shape: number[],
): void {
  let stride = 1;
  for (let axis = rank - 1; axis >= 0; axis--) {
    const size = shape[axis - (rank - shape.length)] ?? 1;
    layout[at + axis] = size === 1 ? 0 : stride;
    stride *= size;
  }
}

/** Strides of a packed tensor, one for each axis. */
export function stridesOf(shape: number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** A copy between two tensors: which elements, and where they lie on both sides. */
export interface StridedCopy {
  sizes: number[];
  fromStrides: number[];
  toStrides: number[];
  fromStart?: number;
  toStart?: number;
}

/** Copies elements of `from` into `to`, which has the same dtype. */
export function copyStrided(
  backend: FastWeightBackend,
  from: TensorInfo,
  to: TensorInfo,
  { sizes, fromStrides, toStrides, fromStart = 0, toStart = 0 }: StridedCopy,
): void {
  const { layout } = backend.addon;
  const rank = sizes.length;
  layout.set(sizes, 0);
  layout.set(fromStrides, rank);
  layout.set(toStrides, 2 * rank);
  const bytes = bytesPerElement(from.dtype);
  const [source, target] = [backend.handleOf(from), backend.handleOf(to)];
  backend.addon.copyStrided(bytes, source, fromStart, target, toStart, rank);
}

/** A new tensor of shape `shape` that a strided walk over `from` fills in order. */
export function gatherStrided(
  backend: FastWeightBackend,
  from: TensorInfo,
  shape: number[],
  walk: { sizes?: number[]; fromStrides: number[]; fromStart?: number },
): TensorInfo {
  const sizes = walk.sizes ?? shape;
  const result = backend.allocate(shape, from.dtype);
  copyStrided(backend, from, result, { ...walk, sizes, toStrides: stridesOf(sizes) });
  return result;
}
