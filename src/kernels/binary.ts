// Elementwise functions of two tensors, with broadcasting.
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../backend/fastweight_backend';
import { castTo } from './cast';
import { type KernelCall, type KernelTable, kernelOrHost } from './kernel';
import { broadcastShape, elementType, maxRank, writeBroadcast } from './layout';

/** Functions by the dtypes they take; the result has that dtype, or is bool. */
const families: { names: string[]; dtypes: DataType[]; isTest: boolean }[] = [
  {
    names: ['Add', 'Sub', 'Multiply', 'Maximum', 'Minimum', 'SquaredDifference', 'Mod'],
    dtypes: ['float32', 'int32'],
    isTest: false,
  },
  { names: ['RealDiv', 'Pow', 'Atan2'], dtypes: ['float32'], isTest: false },
  {
    names: ['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual'],
    dtypes: ['float32', 'int32', 'bool'],
    isTest: true,
  },
  { names: ['LogicalAnd', 'LogicalOr'], dtypes: ['bool'], isTest: true },
];

/** a op b as a new tensor of dtype `dtype`, or null where there is no native one. */
export function binary(
  backend: FastWeightBackend,
  name: string,
  a: TensorInfo,
  b: TensorInfo,
  dtype: DataType,
): TensorInfo | null {
  const { addon } = backend;
  const type = elementType(a.dtype);
  const code = addon.binaryCodes[name];
  if (type === undefined || code === undefined || a.dtype !== b.dtype) return null;
  const shape = broadcastShape(a.shape, b.shape);
  if (shape.length > maxRank) return null;
  const [left, right] = [backend.handleOf(a), backend.handleOf(b)];
  const rank = writeBroadcast(addon.layout, shape, a.shape, b.shape);
  return backend.adopt(addon.binary(code, type, left, right, rank), shape, dtype);
}

function binaryKernel(name: string, dtypes: DataType[], isTest: boolean) {
  return ({ inputs: { a, b }, backend }: KernelCall<{ a: TensorInfo; b: TensorInfo }>) =>
    dtypes.includes(a.dtype) ? binary(backend, name, a, b, isTest ? 'bool' : a.dtype) : null;
}

/** Always int32, whatever is divided. */
function floorDiv({ inputs: { a, b }, backend }: KernelCall<{ a: TensorInfo; b: TensorInfo }>) {
  if (a.dtype !== 'float32' && a.dtype !== 'int32') return null;
  const quotient = binary(backend, 'FloorDiv', a, b, a.dtype);
  if (quotient === null) return null;
  const result = castTo(backend, quotient, 'int32');
  backend.disposeIntermediate(quotient);
  return result;
}

function prelu({ inputs, backend }: KernelCall<{ x: TensorInfo; alpha: TensorInfo }>) {
  const { x, alpha } = inputs;
  return x.dtype === 'float32' ? binary(backend, 'Prelu', x, alpha, 'float32') : null;
}

function eluGrad({ inputs, backend }: KernelCall<{ dy: TensorInfo; y: TensorInfo }>) {
  const { dy, y } = inputs;
  return y.dtype === 'float32' ? binary(backend, 'EluGrad', dy, y, 'float32') : null;
}

function logicalNot({ inputs: { x }, backend }: KernelCall<{ x: TensorInfo }>) {
  if (x.dtype !== 'bool') return null;
  const no = backend.makeTensorInfo([], 'bool', new Uint8Array(1));
  const result = binary(backend, 'Equal', x, no, 'bool');
  backend.disposeIntermediate(no);
  return result;
}

function addN({ inputs, backend }: KernelCall<TensorInfo[]>) {
  const [first, ...others] = inputs;
  const type = first.dtype;
  if (type !== 'float32' && type !== 'int32') return null;
  let total = backend.alias(first);
  for (const other of others) {
    const next = binary(backend, 'Add', total, other, type);
    backend.disposeIntermediate(total);
    if (next === null) return null;
    total = next;
  }
  return total;
}

export const binaryKernels: KernelTable = [
  ...families.flatMap(({ names, dtypes, isTest }) =>
    names.map((name): KernelTable[0] => [
      name,
      kernelOrHost(name, binaryKernel(name, dtypes, isTest)),
    ]),
  ),
  ['FloorDiv', kernelOrHost('FloorDiv', floorDiv)],
  ['Prelu', kernelOrHost('Prelu', prelu)],
  ['EluGrad', kernelOrHost('EluGrad', eluGrad)],
  ['LogicalNot', kernelOrHost('LogicalNot', logicalNot)],
  ['AddN', kernelOrHost('AddN', addN)],
];
