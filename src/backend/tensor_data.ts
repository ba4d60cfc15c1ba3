import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Handle, NativeArray } from '../native/tensor_storage_addon';

/** What the backend keeps of a data id. Exactly one of `handle`, `strings`, `parts` holds the values. */
export interface TensorData {
  /** Native memory; 0 for strings and complex tensors. */
  handle: Handle;
  /** The type of the values in memory; a tensor that shares them has the same. */
  dtype: DataType;
  /** Count of elements. */
  size: number;
  refCount: number;
  /** UTF-8 text of a string tensor, kept on the host. */
  strings: Uint8Array[] | null;
  /** The float32 tensors of a complex64 tensor; it owns them. */
  parts: { real: TensorInfo; imag: TensorInfo } | null;
}

/** Bytes of one element in native memory. */
export function bytesPerElement(dtype: DataType): number {
  return dtype === 'bool' ? 1 : 4;
}

/** An array of `count` elements as native memory holds them. */
export function hostArray(dtype: DataType, count: number): NativeArray {
  if (dtype === 'float32') return new Float32Array(count);
  return dtype === 'int32' ? new Int32Array(count) : new Uint8Array(count);
}

/** The elements that a buffer holds as native memory does. */
export function arrayOver(dtype: DataType, buffer: ArrayBuffer): NativeArray {
  if (dtype === 'float32') return new Float32Array(buffer);
  return dtype === 'int32' ? new Int32Array(buffer) : new Uint8Array(buffer);
}

/** `values` as native memory holds them: themselves where they already are, else a converted copy. */
export function asNativeArray(values: ArrayLike<number>, dtype: DataType): NativeArray {
  if (dtype === 'float32') {
    return values instanceof Float32Array ? values : Float32Array.from(values);
  }
  if (dtype === 'int32') return values instanceof Int32Array ? values : Int32Array.from(values);
  return values instanceof Uint8Array ? values : Uint8Array.from(values);
}
