import * as fs from 'node:fs';

import { expected, FastWeightError } from '../native/errors';
import { formatHeader, maxHeaderBytes, parseHeader, type TensorEntry } from './safetensors_header';
import { codecs, type HostTensor, writtenDtype } from './tensor_codec';

export type { HostTensor } from './tensor_codec';

/** The contents of a safetensors file. */
export interface Safetensors {
  tensors: Map<string, HostTensor>;
  metadata: Record<string, string>;
}

/** Reads bytes [begin, begin + length) into memory of their own. */
type ReadBytes = (begin: number, length: number) => Uint8Array<ArrayBuffer>;

function parse(size: number, read: ReadBytes): Safetensors {
  if (size < 8) throw expected('ERR_CHECKPOINT', 'at least 8 bytes', 'the file', `${size}`);
  const headerBytes = Number(new DataView(read(0, 8).buffer).getBigUint64(0, true));
  const limit = Math.min(size - 8, maxHeaderBytes);
  if (headerBytes > limit) {
    throw expected('ERR_CHECKPOINT', `at most ${limit}`, 'the header length', `${headerBytes}`);
  }
  const start = 8 + headerBytes;
  const { metadata, entries } = parseHeader(read(8, headerBytes), size - start);
  const tensors = new Map<string, HostTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const codec = codecs[dtype];
    const data = codec.decode(read(start + begin, end - begin), name);
    tensors.set(name, { dtype: codec.dtype, shape, data });
  }
  return { tensors, metadata };
}

/**
 * The tensors of safetensors bytes. F16, BF16 and F64 become float32; I64 and smaller integers
 * become int32.
 *
 * @throws FastWeightError ERR_CHECKPOINT for bytes that are not a whole, well-formed file.
 */
export function parseSafetensors(bytes: Uint8Array): Safetensors {
  return parse(
    bytes.length,
    (begin, length) => new Uint8Array(bytes.subarray(begin, begin + length)),
  );
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

/** Runs `body`; its failures, and the system's, become ERR_CHECKPOINT errors that name the file. */
function namingFile<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const { message } = error as Error;
    throw new FastWeightError('ERR_CHECKPOINT', `${path}: ${message}`);
  }
}

/**
 * The tensors of a safetensors file, read one by one, so a file may be larger than one buffer.
 *
 * @throws FastWeightError ERR_CHECKPOINT for a file that cannot be read or is not well-formed.
 */
export function readSafetensors(path: string): Safetensors {
  return namingFile(path, () => {
    const file = fs.openSync(path, 'r');
    try {
      const read: ReadBytes = (begin, length) => readFully(file, begin, length);
      return parse(fs.fstatSync(file).size, read);
    } finally {
      fs.closeSync(file);
    }
  });
}

/** Checks a tensor that is to be written and gives its place in the file. */
function entryOf(name: string, { dtype, shape, data }: HostTensor, begin: number): TensorEntry {
  const elements = shape.reduce((product, size) => product * size, 1);
  if (name === '__metadata__' || elements !== data.length) {
    const got = `'${name}' with ${data.length} elements for shape [${shape}]`;
    throw expected('ERR_CHECKPOINT', 'a tensor of its shape and a free name', 'tensors', got);
  }
  return { name, dtype: writtenDtype[dtype], shape, begin, end: begin + data.byteLength };
}

/** The pieces of a file, header first; wider elements come first, so that all are aligned. */
function pieces({ tensors, metadata }: Safetensors): Uint8Array[] {
  const ordered = [...tensors].sort(
    ([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT,
  );
  const entries: TensorEntry[] = [];
  let at = 0;
  for (const [name, tensor] of ordered) {
    const entry = entryOf(name, tensor, at);
    entries.push(entry);
    at = entry.end;
  }
  const bytes = ordered.map(
    ([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  );
  return [formatHeader({ metadata, entries }), ...bytes];
}

/** The bytes of a safetensors file. */
export function formatSafetensors(contents: Safetensors): Uint8Array {
  return Buffer.concat(pieces(contents));
}

/**
 * Writes a safetensors file. The file appears under its name only when it is whole: an interrupted
 * write leaves an older file of that name as it was.
 *
 * @throws FastWeightError ERR_CHECKPOINT for tensors that do not match their shapes, or where the
 * file cannot be written.
 */
export function writeSafetensors(path: string, contents: Safetensors): void {
  namingFile(path, () => {
    const partial = `${path}.${process.pid}.partial`;
    const parts = pieces(contents);
    try {
      writeWhole(partial, parts);
      fs.renameSync(partial, path);
    } catch (error) {
      fs.rmSync(partial, { force: true });
      throw error;
    }
  });
}

/** Writes the parts to a new file and waits until the disk has them. */
function writeWhole(path: string, parts: Uint8Array[]): void {
  const file = fs.openSync(path, 'w');
  try {
    for (const part of parts) writeFully(file, part);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

function writeFully(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += fs.writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
  }
}
