import * as fs from 'node:fs';

import { expected, FastWeightError } from '../native/errors';

/** Bytes that are read a piece at a time, such as a file larger than one buffer. */
export interface ByteSource {
  /** All bytes there are. */
  readonly size: number;
  /** Bytes [begin, begin + length), which must lie within the source, in memory of their own. */
  read(begin: number, length: number): Uint8Array<ArrayBuffer>;
}

/** Bytes in memory as a source. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (begin, length) => new Uint8Array(bytes.subarray(begin, begin + length)),
  };
}

/** Runs `body`; its failures, and the system's, become ERR_CHECKPOINT errors that name the file. */
export function namingFile<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const { message } = error as Error;
    throw new FastWeightError('ERR_CHECKPOINT', `${path}: ${message}`);
  }
}

/**
 * Gives `body` the bytes of a file, which is open as long as it runs.
 *
 * @throws FastWeightError ERR_CHECKPOINT for a file that cannot be read, and for what `body` throws.
 */
export function withFile<T>(path: string, body: (source: ByteSource) => T): T {
  return namingFile(path, () => {
    const file = fs.openSync(path, 'r');
    try {
      const { size } = fs.fstatSync(file);
      return body({ size, read: (begin, length) => readFully(file, begin, length) });
    } finally {
      fs.closeSync(file);
    }
  });
}

/** Reads exactly `length` bytes of an open file, which readSync may give in several pieces. */
function readFully(file: number, begin: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = fs.readSync(file, bytes, done, Math.min(length - done, 1 << 30), begin + done);
    if (count === 0) {
      throw expected('ERR_CHECKPOINT', `${length} bytes`, `the file at ${begin}`, `${done}`);
    }
    done += count;
  }
  return bytes;
}
