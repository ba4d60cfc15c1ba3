import { expected } from '../native/errors';

/** A tensor on the host: `data` in row-major order of `shape`. */
export interface HostTensor {
  dtype: 'float32' | 'int32' | 'bool';
  shape: number[];
  data: Float32Array | Int32Array | Uint8Array;
}

interface Codec {
  /** Bytes of one element in the file. */
  size: number;
  dtype: HostTensor['dtype'];
  /** Elements from little-endian bytes that start at a multiple of 8. */
  decode: (bytes: Uint8Array<ArrayBuffer>, name: string) => HostTensor['data'];
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A value of I64 as int32. */
function narrowed(value: bigint, name: string): number {
  if (value < -2147483648n || value > 2147483647n) {
    throw expected('ERR_CHECKPOINT', 'integers that fit in int32', `tensor '${name}'`, `${value}`);
  }
  return Number(value);
}

/** A BOOL byte, which is 0 or 1. */
function checkBool(value: number, name: string): void {
  if (value > 1) {
    throw expected('ERR_CHECKPOINT', 'bytes 0 or 1', `BOOL tensor '${name}'`, `${value}`);
  }
}

/**
 * How each safetensors dtype becomes a tfjs dtype. Typed arrays read bytes in the host's order,
 * which is little-endian, the file's, on every platform Node runs this package on.
 */
export const codecs: Readonly<Record<string, Codec>> = {
  F32: { size: 4, dtype: 'float32', decode: ({ buffer }) => new Float32Array(buffer) },
  F64: {
    size: 8,
    dtype: 'float32',
    decode: ({ buffer }) => Float32Array.from(new Float64Array(buffer)),
  },
  F16: {
    size: 2,
    dtype: 'float32',
    decode: ({ buffer }) => Float32Array.from(new Uint16Array(buffer), float16),
  },
  BF16: {
    size: 2,
    dtype: 'float32',
    decode: ({ buffer }) => {
      const bits = Uint32Array.from(new Uint16Array(buffer), (half) => half << 16);
      return new Float32Array(bits.buffer);
    },
  },
  I64: {
    size: 8,
    dtype: 'int32',
    decode: ({ buffer }, name) => {
      const wide = new BigInt64Array(buffer);
      const narrow = new Int32Array(wide.length);
      for (let at = 0; at < wide.length; at++) narrow[at] = narrowed(wide[at], name);
      return narrow;
    },
  },
  I32: { size: 4, dtype: 'int32', decode: ({ buffer }) => new Int32Array(buffer) },
  I16: {
    size: 2,
    dtype: 'int32',
    decode: ({ buffer }) => Int32Array.from(new Int16Array(buffer)),
  },
  I8: { size: 1, dtype: 'int32', decode: ({ buffer }) => Int32Array.from(new Int8Array(buffer)) },
  U8: { size: 1, dtype: 'int32', decode: (bytes) => Int32Array.from(bytes) },
  BOOL: {
    size: 1,
    dtype: 'bool',
    decode: (bytes, name) => {
      for (const value of bytes) checkBool(value, name);
      return bytes;
    },
  },
};

/** The safetensors dtype that a host tensor is written as. */
export const writtenDtype: Readonly<Record<HostTensor['dtype'], string>> = {
  float32: 'F32',
  int32: 'I32',
  bool: 'BOOL',
};
