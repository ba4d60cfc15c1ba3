import { expected } from '../native/errors';
import type { ByteSource } from './byte_source';

/** Where an entry's bytes lie in the archive. */
export interface ZipEntry {
  begin: number;
  length: number;
}

const endRecord = { signature: 0x06054b50, size: 22, longestComment: 0xffff };
const endLocator64 = { signature: 0x07064b50, size: 20 };
const endRecord64 = { signature: 0x06064b50, size: 56 };
const centralHeader = { signature: 0x02014b50, size: 46 };
const localHeader = { signature: 0x04034b50, size: 30 };

/** Extra field that holds the sizes and offsets that 32 bits do not. */
const zip64Extra = 1;
const full32 = 0xffffffff;
const full16 = 0xffff;
const encrypted = 1;

/**
 * The entries of a zip archive by name. They must be stored as they are, not compressed, as PyTorch
 * writes them; archives above 4 GiB (zip64) are read too.
 *
 * Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 6.3.10.
 *
 * @throws FastWeightError ERR_CHECKPOINT for bytes that are no such archive, or are truncated.
 */
export function readZipEntries(source: ByteSource): Map<string, ZipEntry> {
  const { count, begin, length } = centralDirectory(source);
  const directory = Buffer.from(reading(source, begin, length, 'the central directory'));
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let index = 0; index < count; index++) {
    const { name, next, ...header } = centralEntry(directory, at);
    if (entries.has(name))
      throw expected('ERR_CHECKPOINT', 'each name once', 'entries', quote(name));
    entries.set(name, dataOf(source, name, header));
    at = next;
  }
  return entries;
}

const quote = (name: string) => `'${name.length > 80 ? `${name.slice(0, 77)}...` : name}'`;

/** Bytes of the archive after a check that they are there. */
function reading(source: ByteSource, begin: number, length: number, what: string): Uint8Array {
  if (begin < 0 || begin + length > source.size) {
    const got = `bytes ${begin} to ${begin + length} of ${source.size}`;
    throw expected('ERR_CHECKPOINT', 'bytes within the file', what, got);
  }
  return source.read(begin, length);
}

/** A 64-bit field, which JavaScript holds exactly up to 2^53. */
function wide(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw expected('ERR_CHECKPOINT', 'at most 2^53', 'a size in the zip archive', `${value}`);
  }
  return Number(value);
}

function centralDirectory(source: ByteSource): { count: number; begin: number; length: number } {
  const tailBytes = Math.min(source.size, endRecord.size + endRecord.longestComment);
  const tailBegin = source.size - tailBytes;
  const tail = Buffer.from(source.read(tailBegin, tailBytes));
  let end = tailBytes - endRecord.size;
  while (end >= 0 && tail.readUInt32LE(end) !== endRecord.signature) end--;
  if (end < 0) {
    throw expected(
      'ERR_CHECKPOINT',
      'a zip archive',
      'the file',
      'no end of one: it is truncated or another format',
    );
  }
  const count = tail.readUInt16LE(end + 10);
  const length = tail.readUInt32LE(end + 12);
  const begin = tail.readUInt32LE(end + 16);
  if (count !== full16 && length !== full32 && begin !== full32) return { count, begin, length };
  return centralDirectory64(source, tailBegin + end);
}

/** The directory of an archive whose end record, at `end`, refers to a larger one. */
function centralDirectory64(source: ByteSource, end: number) {
  const what = 'the zip64 end record';
  const at = end - endLocator64.size;
  const locator = Buffer.from(reading(source, at, endLocator64.size, what));
  checkSignature(locator, 0, endLocator64.signature, what);
  const record = Buffer.from(reading(source, wide(locator, 8), endRecord64.size, what));
  checkSignature(record, 0, endRecord64.signature, what);
  return { count: wide(record, 32), length: wide(record, 40), begin: wide(record, 48) };
}

function checkSignature(bytes: Buffer, at: number, wanted: number, what: string): void {
  const got = bytes.readUInt32LE(at);
  if (got !== wanted) {
    const hex = (value: number) => `0x${value.toString(16)}`;
    throw expected('ERR_CHECKPOINT', `signature ${hex(wanted)}`, what, hex(got));
  }
}

interface CentralEntry {
  length: number;
  /** Where the entry's local header begins. */
  header: number;
}

function centralEntry(
  directory: Buffer,
  at: number,
): CentralEntry & { name: string; next: number } {
  const fits = (end: number) => {
    if (end > directory.length) {
      const got = `${directory.length} of ${end}`;
      throw expected('ERR_CHECKPOINT', 'a whole entry', 'the central directory', `bytes ${got}`);
    }
    return end;
  };
  const nameAt = fits(at + centralHeader.size);
  checkSignature(directory, at, centralHeader.signature, 'an entry of the central directory');
  const extraAt = fits(nameAt + directory.readUInt16LE(at + 28));
  const extraEnd = fits(extraAt + directory.readUInt16LE(at + 30));
  const next = fits(extraEnd + directory.readUInt16LE(at + 32));
  const name = directory.toString('utf8', nameAt, extraAt);
  if (directory.readUInt16LE(at + 8) & encrypted) {
    throw expected('ERR_CHECKPOINT', 'no encryption', `entry ${quote(name)}`, 'some');
  }
  const method = directory.readUInt16LE(at + 10);
  if (method !== 0) {
    const got = `compression method ${method}`;
    throw expected('ERR_CHECKPOINT', 'bytes stored as they are', `entry ${quote(name)}`, got);
  }
  const [length, , header] = sizes(directory, at, directory.subarray(extraAt, extraEnd), name);
  return { name, next, length, header };
}

/** Uncompressed size, compressed size and header offset, where need be from the extra field. */
function sizes(directory: Buffer, at: number, extra: Buffer, name: string): number[] {
  const short = [24, 20, 42].map((field) => directory.readUInt32LE(at + field));
  if (!short.includes(full32)) return short;
  let field = 0;
  while (field + 4 <= extra.length && extra.readUInt16LE(field) !== zip64Extra) {
    field += 4 + extra.readUInt16LE(field + 2);
  }
  let value = field + 4;
  return short.map((size) => {
    if (size !== full32) return size;
    if (value + 8 > extra.length) {
      throw expected('ERR_CHECKPOINT', '64-bit sizes', `entry ${quote(name)}`, 'none');
    }
    value += 8;
    return wide(extra, value - 8);
  });
}

/** The entry's bytes, behind its local header, whose name and extra field have their own lengths. */
function dataOf(source: ByteSource, name: string, { length, header }: CentralEntry): ZipEntry {
  const what = `entry ${quote(name)}`;
  const local = Buffer.from(reading(source, header, localHeader.size, what));
  checkSignature(local, 0, localHeader.signature, what);
  const begin = header + localHeader.size + local.readUInt16LE(26) + local.readUInt16LE(28);
  if (begin + length > source.size) {
    const got = `bytes ${begin} to ${begin + length} of ${source.size}`;
    throw expected('ERR_CHECKPOINT', 'bytes within the file', what, got);
  }
  return { begin, length };
}
