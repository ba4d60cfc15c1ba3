// Checks of arguments before anything crosses to native code.
import { type DataType, Tensor } from '@tensorflow/tfjs-core';
import { expected } from '../native/errors';

/** How a wrong argument is shown in an error. */
function shown(value: unknown): string {
  if (value instanceof Tensor) return `a tensor of shape [${value.shape.join(', ')}]`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? `'${value}'` : String(value);
}

function shapeText(shape: readonly (number | string)[]): string {
  return `shape [${shape.join(', ')}]`;
}

/** A live tensor of this dtype. Throws ERR_ARGUMENT, ERR_DISPOSED, ERR_DTYPE. */
export function assertTensor(name: string, tensor: unknown, dtype: DataType): void {
  if (!(tensor instanceof Tensor)) {
    throw expected('ERR_ARGUMENT', 'a tensor', name, shown(tensor));
  }
  if (tensor.isDisposed) {
    throw expected('ERR_DISPOSED', 'a live tensor', name, 'one that has been disposed');
  }
  if (tensor.dtype !== dtype) {
    throw expected('ERR_DTYPE', `dtype ${dtype}`, name, `dtype ${tensor.dtype}`);
  }
}

/** A live float32 tensor. Throws ERR_ARGUMENT, ERR_DISPOSED, ERR_DTYPE. */
export function assertFloat32(name: string, tensor: unknown): void {
  assertTensor(name, tensor, 'float32');
}

/** A tensor with these axes, such as ['batch', 'tokens']. Throws ERR_SHAPE. */
export function assertAxes(name: string, tensor: Tensor, axes: readonly string[]): void {
  if (tensor.shape.length !== axes.length) {
    throw expected('ERR_SHAPE', shapeText(axes), name, shapeText(tensor.shape));
  }
}

/** A tensor of exactly this shape. Throws ERR_SHAPE. */
export function assertShape(name: string, tensor: Tensor, shape: readonly number[]): void {
  const same = tensor.shape.length === shape.length && shape.every((n, i) => n === tensor.shape[i]);
  if (!same) throw expected('ERR_SHAPE', shapeText(shape), name, shapeText(tensor.shape));
}

/** A whole number of `least` or more. Throws ERR_ARGUMENT for what is no number, else ERR_RANGE. */
export function assertInteger(name: string, value: unknown, least: number): void {
  if (typeof value !== 'number') throw expected('ERR_ARGUMENT', 'a number', name, shown(value));
  if (!Number.isSafeInteger(value) || value < least) {
    throw expected('ERR_RANGE', `a whole number of ${least} or more`, name, String(value));
  }
}

/** A finite number. Throws ERR_ARGUMENT for what is no number, else ERR_RANGE. */
export function assertFinite(name: string, value: unknown): void {
  if (typeof value !== 'number') throw expected('ERR_ARGUMENT', 'a number', name, shown(value));
  if (!Number.isFinite(value)) throw expected('ERR_RANGE', 'a finite number', name, String(value));
}

/** A finite number above 0. Throws ERR_ARGUMENT for what is no number, else ERR_RANGE. */
export function assertPositive(name: string, value: unknown): void {
  assertFinite(name, value);
  if ((value as number) <= 0) {
    throw expected('ERR_RANGE', 'a number above 0', name, String(value));
  }
}

/** A finite number of 0 or more. Throws ERR_ARGUMENT for what is no number, else ERR_RANGE. */
export function assertNonNegative(name: string, value: unknown): void {
  assertFinite(name, value);
  if ((value as number) < 0) {
    throw expected('ERR_RANGE', 'a number of 0 or more', name, String(value));
  }
}
