// Checks that the public operations make of their arguments before anything crosses to native code.
import { backend, getBackend, type Tensor } from '@tensorflow/tfjs-core';
import { FastWeightBackend } from '../backend/fastweight_backend';
import { expected } from '../native/errors';

/** Throws ERR_DEVICE_UNAVAILABLE unless the current tfjs backend is one of ours. */
export function assertBackend(operation: string): FastWeightBackend {
  const current = backend();
  if (current instanceof FastWeightBackend) return current;
  throw expected(
    'ERR_DEVICE_UNAVAILABLE',
    'a fastweight backend',
    operation,
    `backend '${getBackend()}'`,
    "Call tf.setBackend('fastweight-cpu'), or use the reference, which runs on any backend",
  );
}

/** A shape to match: a number is that size, a string names a size that may be any. */
export type ShapePattern = readonly (number | string)[];

/**
 * Throws unless `tensor` is a live tensor of `dtype`, of any shape: ERR_ARGUMENT, ERR_DISPOSED or
 * ERR_DTYPE.
 */
export function assertLive(
  name: string,
  tensor: Tensor,
  dtype: 'float32' | 'int32' = 'float32',
): void {
  if (typeof tensor !== 'object' || tensor === null || !Array.isArray(tensor.shape)) {
    throw expected('ERR_ARGUMENT', 'a tensor', name, String(tensor));
  }
  if (tensor.isDisposed) throw expected('ERR_DISPOSED', 'a live tensor', name, 'a disposed one');
  if (tensor.dtype !== dtype) {
    throw expected('ERR_DTYPE', `dtype ${dtype}`, name, tensor.dtype);
  }
}

/** As {@link assertLive}, and ERR_SHAPE unless the tensor's shape matches `pattern`. */
export function assertTensor(
  name: string,
  tensor: Tensor,
  pattern: ShapePattern,
  dtype: 'float32' | 'int32' = 'float32',
): void {
  assertLive(name, tensor, dtype);
  const { shape } = tensor;
  const matches =
    shape.length === pattern.length &&
    pattern.every((size, axis) =>
      typeof size === 'number' ? size === shape[axis] : shape[axis] > 0,
    );
  if (!matches) {
    throw expected('ERR_SHAPE', `shape [${pattern.join(', ')}]`, name, `shape [${shape}]`);
  }
}

/** Throws ERR_ARGUMENT unless `value` is one of `choices`. */
export function assertChoice<T>(name: string, value: T, choices: readonly T[]): void {
  if (!choices.includes(value)) {
    const listed = choices.map((choice) => `'${choice}'`).join(' or ');
    throw expected('ERR_ARGUMENT', listed, name, `'${String(value)}'`);
  }
}

/** Throws unless `value` is a finite number: ERR_ARGUMENT for what is no number, else ERR_RANGE. */
export function assertFinite(name: string, value: number): void {
  if (typeof value !== 'number') {
    throw expected('ERR_ARGUMENT', 'a number', name, `'${String(value)}'`);
  }
  if (!Number.isFinite(value)) throw expected('ERR_RANGE', 'a finite number', name, String(value));
}

/** As {@link assertFinite}, and ERR_RANGE for a number below `least`. */
export function assertAtLeast(name: string, value: number, least: number): void {
  assertFinite(name, value);
  if (value < least) {
    throw expected('ERR_RANGE', `a number of at least ${least}`, name, String(value));
  }
}

/** As {@link assertAtLeast}, and ERR_RANGE for a fraction. */
export function assertInteger(name: string, value: number, least: number): void {
  assertFinite(name, value);
  if (!Number.isSafeInteger(value) || value < least) {
    throw expected('ERR_RANGE', `a whole number of at least ${least}`, name, String(value));
  }
}
