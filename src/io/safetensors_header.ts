import { type ErrorCode, expected } from '../native/errors';
import { codecs } from './tensor_codec';

/** One tensor of a file: `begin` and `end` are byte offsets from the end of the header. */
export interface TensorEntry {
  name: string;
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  metadata: Record<string, string>;
  /** In the order of their bytes. */
  entries: TensorEntry[];
}

/** The header's own limit, so that a bad length is not read as a huge allocation. */
export const maxHeaderBytes = 100_000_000;

const code: ErrorCode = 'ERR_CHECKPOINT';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(isCount);

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    throw expected(code, 'strings by name', '__metadata__', show(value));
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown): TensorEntry {
  const tensor = `tensor '${name}'`;
  if (!isObject(value)) {
    throw expected(code, 'dtype, shape and data_offsets', tensor, show(value));
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(codecs, dtype)) {
    throw expected(code, `a dtype of ${Object.keys(codecs).join(', ')}`, tensor, show(dtype));
  }
  if (!isCounts(shape)) throw expected(code, 'a shape of whole numbers', tensor, show(shape));
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw expected(code, 'data_offsets [begin, end]', tensor, show(offsets));
  }
  const bytes = shape.reduce((product, size) => product * size, codecs[dtype].size);
  const [begin, end] = offsets;
  if (bytes !== end - begin) {
    const expectation = `${bytes} bytes (${dtype} ${show(shape)})`;
    throw expected(code, expectation, tensor, `${end - begin} bytes at ${show(offsets)}`);
  }
  return { name, dtype, shape, begin, end };
}

/** Tensors must follow one another without overlap or hole and fill the file. */
function checkLayout(entries: TensorEntry[], dataBytes: number): void {
  let at = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== at) {
      const fault = begin < at ? 'an overlap' : 'a hole';
      throw expected(code, `data at byte ${at}`, `tensor '${name}'`, `byte ${begin}, ${fault}`);
    }
    at = end;
  }
  if (at !== dataBytes) {
    const got = dataBytes < at ? `${dataBytes}: the file is truncated` : `${dataBytes}`;
    throw expected(code, `${at} bytes of data`, 'the file', got);
  }
}

/**
 * The header of a safetensors file, checked against the bytes of data that follow it.
 *
 * @throws FastWeightError ERR_CHECKPOINT
 */
export function parseHeader(json: Uint8Array, dataBytes: number): SafetensorsHeader {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw expected(code, 'JSON', 'the header', (error as Error).message);
  }
  if (!isObject(header)) throw expected(code, 'an object', 'the header', show(header));
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => parseEntry(name, value))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, dataBytes);
  return { metadata: parseMetadata(header.__metadata__), entries };
}

/** The bytes of a header, its length field included, padded so that data starts at a multiple of 8. */
export function formatHeader({ metadata, entries }: SafetensorsHeader): Uint8Array {
  const header: [string, unknown][] = entries.map(({ name, dtype, shape, begin, end }) => [
    name,
    { dtype, shape, data_offsets: [begin, end] },
  ]);
  if (Object.keys(metadata).length > 0) header.unshift(['__metadata__', metadata]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = 8 * Math.ceil(json.length / 8);
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}
