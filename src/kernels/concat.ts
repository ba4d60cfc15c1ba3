// Joining tensors and taking them apart, padding, and picking by condition or index.
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { bytesPerElement } from '../backend/tensor_data';
import { filled } from './cast';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { copyStrided, elementType, stridesOf } from './layout';
import { canCopy, sliced } from './transpose';

/** Joins tensors of one dtype along `axis`; `shape` is the result's. */
function joined(
  backend: FastWeightBackend,
  parts: TensorInfo[],
  axis: number,
  shape: number[],
): TensorInfo {
  const result = backend.allocate(shape, parts[0].dtype);
  const outer = util.sizeFromShape(shape.slice(0, axis));
  const total = outer === 0 ? 0 : util.sizeFromShape(shape) / outer;
  let toStart = 0;
  for (const part of parts) {
    const run = outer === 0 ? 0 : util.sizeFromShape(part.shape) / outer;
    const [fromStrides, toStrides] = [
      [run, 1],
      [total, 1],
    ];
    copyStrided(backend, part, result, { sizes: [outer, run], fromStrides, toStrides, toStart });
    toStart += run;
  }
  return result;
}

function haveOneDtype(tensors: TensorInfo[]): boolean {
  const { dtype } = tensors[0];
  return elementType(dtype) !== undefined && tensors.every((tensor) => tensor.dtype === dtype);
}

function concat({ inputs, attrs, backend }: KernelCall<TensorInfo[], { axis: number }>) {
  const axis = util.parseAxisParam(attrs.axis, inputs[0].shape)[0];
  const shapes = inputs.map(({ shape }) => shape);
  backend_util.assertParamsConsistent(shapes, axis);
  if (!haveOneDtype(inputs)) return null;
  const shape = backend_util.computeOutShape(shapes, axis);
  const parts = inputs.filter((tensor) => util.sizeFromShape(tensor.shape) > 0);
  if (parts.length === 0) return backend.allocate(shape, inputs[0].dtype);
  if (parts.length === 1) return backend.alias(parts[0], shape);
  return joined(backend, parts, axis, shape);
}

function pack({ inputs, attrs, backend }: KernelCall<TensorInfo[], { axis: number }>) {
  const { shape } = inputs[0];
  for (const input of inputs) {
    util.assertShapesMatch(shape, input.shape, 'All tensors passed to stack must match: ');
  }
  if (!haveOneDtype(inputs)) return null;
  const axis = attrs.axis < 0 ? attrs.axis + shape.length + 1 : attrs.axis;
  const packedShape = [...shape.slice(0, axis), inputs.length, ...shape.slice(axis)];
  if (inputs.length === 1) return backend.alias(inputs[0], packedShape);
  return joined(backend, inputs, axis, packedShape);
}

function unpack({
  inputs: { value },
  attrs,
  backend,
}: KernelCall<{ value: TensorInfo }, { axis: number }>) {
  if (!canCopy(value)) return null;
  const axis = attrs.axis < 0 ? attrs.axis + value.shape.length : attrs.axis;
  const shape = value.shape.filter((_, at) => at !== axis);
  const sizes = value.shape.map((size, at) => (at === axis ? 1 : size));
  return Array.from({ length: value.shape[axis] }, (_, index) => {
    const begin = value.shape.map((_size, at) => (at === axis ? index : 0));
    return { ...sliced(backend, value, begin, sizes), shape };
  });
}

interface SplitAttrs {
  numOrSizeSplits: number | number[];
  axis: number;
}

function splitV({ inputs: { x }, attrs, backend }: KernelCall<{ x: TensorInfo }, SplitAttrs>) {
  if (!canCopy(x)) return null;
  const axis = util.parseAxisParam(attrs.axis, x.shape)[0];
  // It reads nothing but the shape of the tensor.
  const asTensor = x as Parameters<typeof backend_util.prepareSplitSize>[0];
  const splitSizes = backend_util.prepareSplitSize(asTensor, attrs.numOrSizeSplits, axis);
  let from = 0;
  return splitSizes.map((splitSize) => {
    const begin = x.shape.map((_, at) => (at === axis ? from : 0));
    const sizes = x.shape.map((size, at) => (at === axis ? splitSize : size));
    from += splitSize;
    return sliced(backend, x, begin, sizes);
  });
}

interface PadAttrs {
  paddings: [before: number, after: number][];
  constantValue: number;
}

function padV2({ inputs: { x }, attrs, backend }: KernelCall<{ x: TensorInfo }, PadAttrs>) {
  if (!canCopy(x)) return null;
  const { paddings, constantValue } = attrs;
  const shape = x.shape.map((size, axis) => paddings[axis][0] + size + paddings[axis][1]);
  const result = filled(backend, shape, x.dtype as 'float32', constantValue);
  const toStrides = stridesOf(shape);
  const toStart = paddings.reduce((start, [before], axis) => start + before * toStrides[axis], 0);
  const fromStrides = stridesOf(x.shape);
  copyStrided(backend, x, result, { sizes: x.shape, fromStrides, toStrides, toStart });
  return result;
}

type SelectInputs = { condition: TensorInfo; t: TensorInfo; e: TensorInfo };

function select({ inputs: { condition, t, e }, backend }: KernelCall<SelectInputs>) {
  const count = util.sizeFromShape(t.shape);
  const fits = condition.dtype === 'bool' && util.sizeFromShape(condition.shape) === count;
  if (!fits || !haveOneDtype([t, e])) return null;
  const [test, left, right] = [condition, t, e].map((tensor) => backend.handleOf(tensor));
  const handle = backend.addon.select(bytesPerElement(t.dtype), test, left, right, count);
  return backend.adopt(handle, t.shape, t.dtype);
}

type GatherInputs = { x: TensorInfo; indices: TensorInfo };

function gatherV2({
  inputs: { x, indices },
  attrs,
  backend,
}: KernelCall<GatherInputs, { axis: number; batchDims?: number }>) {
  if (elementType(x.dtype) === undefined || indices.dtype !== 'int32') return null;
  const axis = util.parseAxisParam(attrs.axis, x.shape)[0];
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
    backend_util.segment_util.collectGatherOpShapeInfo(x, indices, axis, attrs.batchDims ?? 0);
  const handle = backend.addon.gather(
    bytesPerElement(x.dtype),
    backend.handleOf(x),
    backend.handleOf(indices),
    batchSize,
    outerSize,
    dimSize,
    util.sizeFromShape(indices.shape) / batchSize,
    sliceSize,
  );
  return backend.adopt(handle, outputShape, x.dtype);
}

type SegmentInputs = { x: TensorInfo; segmentIds: TensorInfo };

function unsortedSegmentSum({
  inputs: { x, segmentIds },
  attrs: { numSegments },
  backend,
}: KernelCall<SegmentInputs, { numSegments: number }>) {
  const fits = segmentIds.shape.length === 1 && segmentIds.shape[0] === x.shape[0];
  if (x.dtype !== 'float32' || segmentIds.dtype !== 'int32' || !fits) return null;
  const [rows, ...rest] = x.shape;
  const [values, ids] = [backend.handleOf(x), backend.handleOf(segmentIds)];
  const inner = util.sizeFromShape(rest);
  const handle = backend.addon.segmentSum(values, ids, rows, inner, numSegments);
  return backend.adopt(handle, [numSegments, ...rest], 'float32');
}

export const concatKernels: KernelTable = [
  ['Concat', kernelOrHost('Concat', concat)],
  ['Pack', kernelOrHost('Pack', pack)],
  ['Unpack', kernelOrHost('Unpack', unpack)],
  ['SplitV', kernelOrHost('SplitV', splitV)],
  ['PadV2', kernelOrHost('PadV2', padV2)],
  ['Select', kernelOrHost('Select', select)],
  ['GatherV2', kernelOrHost('GatherV2', gatherV2)],
  ['UnsortedSegmentSum', kernelOrHost('UnsortedSegmentSum', unsortedSegmentSum)],
];
