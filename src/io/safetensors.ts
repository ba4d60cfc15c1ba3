import * as fs from 'node:fs';

import { expected } from '../native/errors';
import { type ByteSource, bytesSource, namingFile, withFile } from './byte_source';
import { formatHeader, maxHeaderBytes, parseHeader, type TensorEntry } from './safetensors_header';
import { codecs, type HostTensor, writtenDtype } from './tensor_codec';

export type { HostTensor } from './tensor_codec';

/** The contents of a safetensors file. */
export interface Safetensors {
  tensors: Map<string, HostTensor>;
  metadata: Record<string, string>;
}

function parse({ size, read }: ByteSource): Safetensors {
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
  return parse(bytesSource(bytes));
}

/**
 * The tensors of a safetensors file, read one by one, so a file may be larger than one buffer.
 *
 * @throws FastWeightError ERR_CHECKPOINT for a file that cannot be read or is not well-formed.
 */
export function readSafetensors(path: string): Safetensors {
  return withFile(path, parse);
}

/** A tensor as a file holds it; its bytes are made when they are written, and not kept. */
export interface StoredTensor {
  /** A safetensors dtype, such as 'BF16'. */
  dtype: string;
  shape: readonly number[];
  /** Little-endian elements in row-major order. */
  bytes(): Uint8Array;
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Checks a tensor that is to be written and gives it as a file holds it. */
function stored(name: string, { dtype, shape, data }: HostTensor): StoredTensor {
  if (name === '__metadata__' || elementsOf(shape) !== data.length) {
    const got = `'${name}' with ${data.length} elements for shape [${shape}]`;
    throw expected('ERR_CHECKPOINT', 'a tensor of its shape and a free name', 'tensors', got);
  }
  const bytes = () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype: writtenDtype[dtype], shape, bytes };
}

function storedTensors({ tensors }: Safetensors): Map<string, StoredTensor> {
  return new Map([...tensors].map(([name, tensor]) => [name, stored(name, tensor)]));
}

/** The pieces of a file, header first; wider elements come first, so that all are aligned. */
function* pieces(
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Record<string, string>,
): Generator<Uint8Array> {
  const ordered = [...tensors].sort(([, a], [, b]) => codecs[b.dtype].size - codecs[a.dtype].size);
  const entries: TensorEntry[] = [];
  let at = 0;
  for (const [name, { dtype, shape }] of ordered) {
    const end = at + elementsOf(shape) * codecs[dtype].size;
    entries.push({ name, dtype, shape: [...shape], begin: at, end });
    at = end;
  }
  yield formatHeader({ metadata, entries });
  for (const [, tensor] of ordered) yield tensor.bytes();
}

/** The bytes of a safetensors file. */
export function formatSafetensors(contents: Safetensors): Uint8Array {
  return Buffer.concat([...pieces(storedTensors(contents), contents.metadata)]);
}

/**
 * Writes a safetensors file. The file appears under its name only when it is whole: an interrupted
 * write leaves an older file of that name as it was.
 *
 * @throws FastWeightError ERR_CHECKPOINT for tensors that do not match their shapes, or where the
 * file cannot be written.
 */
export function writeSafetensors(path: string, contents: Safetensors): void {
  namingFile(path, () => replaceFile(path, pieces(storedTensors(contents), contents.metadata)));
}

/**
 * Writes tensors as they are stored, one in memory at a time; else as {@link writeSafetensors}.
 *
 * @throws FastWeightError ERR_CHECKPOINT where the file cannot be written.
 */
export function writeStoredTensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Record<string, string> = {},
): void {
  namingFile(path, () => replaceFile(path, pieces(tensors, metadata)));
}

/** Gives a file new contents, or leaves it as it was. */
function replaceFile(path: string, parts: Iterable<Uint8Array>): void {
  const partial = `${path}.${process.pid}.partial`;
  try {
    writeWhole(partial, parts);
    fs.renameSync(partial, path);
  } catch (error) {
    fs.rmSync(partial, { force: true });
    throw error;
  }
}

/** Writes the parts to a new file and waits until the disk has them. */
function writeWhole(path: string, parts: Iterable<Uint8Array>): void {
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
