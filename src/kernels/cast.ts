import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { elementType } from './layout';

/** `x` as dtype `dtype`; shares its memory where it has it already. Null for strings. */
export function castTo(
  backend: FastWeightBackend,
  x: TensorInfo,
  dtype: DataType,
): TensorInfo | null {
  if (x.dtype === dtype) return backend.alias(x);
  if (dtype === 'complex64') return toComplex(backend, x);
  if (x.dtype === 'complex64') return realPartAs(backend, x, dtype);
  const [from, to] = [elementType(x.dtype), elementType(dtype)];
  if (from === undefined || to === undefined) return null;
  const count = util.sizeFromShape(x.shape);
  return backend.adopt(backend.addon.cast(from, to, backend.handleOf(x), count), x.shape, dtype);
}

function realPartAs(backend: FastWeightBackend, x: TensorInfo, dtype: DataType): TensorInfo | null {
  const { real } = backend.partsOf(x);
  return dtype === 'float32' ? backend.copy(real) : castTo(backend, real, dtype);
}

function toComplex(backend: FastWeightBackend, x: TensorInfo): TensorInfo | null {
  const real = x.dtype === 'float32' ? backend.copy(x) : castTo(backend, x, 'float32');
  return real && backend.makeComplex(real, filled(backend, x.shape, 'float32', 0));
}

/** A new tensor that holds `value` everywhere. */
export function filled(
  backend: FastWeightBackend,
  shape: number[],
  dtype: 'float32' | 'int32' | 'bool',
  value: number,
): TensorInfo {
  const type = elementType(dtype) as number;
  return backend.adopt(backend.addon.fill(type, util.sizeFromShape(shape), value), shape, dtype);
}

function isNumeric(dtype: DataType): dtype is 'float32' | 'int32' | 'bool' {
  return elementType(dtype) !== undefined;
}

function cast({ inputs, attrs, backend }: KernelCall<{ x: TensorInfo }, { dtype: DataType }>) {
  return castTo(backend, inputs.x, attrs.dtype);
}

interface FillAttrs {
  shape: number[];
  value: number | string;
  dtype?: DataType;
}

function fill({ attrs, backend }: KernelCall<unknown, FillAttrs>) {
  const { shape, value } = attrs;
  const dtype = attrs.dtype ?? util.inferDtype(value);
  if (typeof value === 'string' || !isNumeric(dtype)) return null;
  return filled(backend, shape, dtype, value);
}

function likeKernel(value: number) {
  return ({ inputs: { x }, backend }: KernelCall<{ x: TensorInfo }>) =>
    isNumeric(x.dtype) ? filled(backend, x.shape, x.dtype, value) : null;
}

interface RangeAttrs {
  start: number;
  stop: number;
  step: number;
  dtype: DataType;
}

function range({ attrs, backend }: KernelCall<unknown, RangeAttrs>) {
  const { start, stop, dtype } = attrs;
  // tfjs counts down where the default step would never arrive.
  const step = stop < start && attrs.step === 1 ? -1 : attrs.step;
  const type = elementType(dtype);
  if (type === undefined) return null;
  const count = Math.max(0, Math.ceil((stop - start) / step)) || 0;
  return backend.adopt(backend.addon.range(type, count, start, step), [count], dtype);
}

interface OneHotAttrs {
  depth: number;
  onValue: number;
  offValue: number;
  dtype: DataType;
}

function oneHot({
  inputs: { indices },
  attrs,
  backend,
}: KernelCall<{ indices: TensorInfo }, OneHotAttrs>) {
  const { depth, onValue, offValue, dtype } = attrs;
  const type = elementType(dtype);
  if (type === undefined || indices.dtype !== 'int32') return null;
  const count = util.sizeFromShape(indices.shape);
  const source = backend.handleOf(indices);
  const handle = backend.addon.oneHot(type, source, count, depth, onValue, offValue);
  return backend.adopt(handle, [...indices.shape, depth], dtype);
}

export const castKernels: KernelTable = [
  ['Cast', kernelOrHost('Cast', cast)],
  ['Fill', kernelOrHost('Fill', fill)],
  ['ZerosLike', kernelOrHost('ZerosLike', likeKernel(0))],
  ['OnesLike', kernelOrHost('OnesLike', likeKernel(1))],
  ['Range', kernelOrHost('Range', range)],
  ['OneHot', kernelOrHost('OneHot', oneHot)],
];
