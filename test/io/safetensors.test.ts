import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import {
  formatSafetensors,
  type HostTensor,
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  writeSafetensors,
} from '../../src/io/safetensors';
import { FastWeightError } from '../../src/native/errors';

const contents: Safetensors = {
  tensors: new Map<string, HostTensor>([
    ['flags', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
    ['a.weight', { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1.5, -0, 1e-40, 3e38) }],
    ['ids', { dtype: 'int32', shape: [2, 1], data: Int32Array.of(-2147483648, 2147483647) }],
    ['scalar', { dtype: 'float32', shape: [], data: Float32Array.of(Number.NaN) }],
    ['empty', { dtype: 'float32', shape: [0, 4], data: new Float32Array(0) }],
    ['__proto__', { dtype: 'int32', shape: [1], data: Int32Array.of(7) }],
  ]),
  metadata: { format: 'pt', note: 'é "quoted"' },
};

/** A file made by hand: `header` as JSON or text, then the data. */
function file(header: unknown, data: Uint8Array | number[] = []): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Uint8Array.from(data)]);
}

function one(dtype: string, shape: number[], data: Uint8Array): HostTensor {
  const bytes = file({ x: { dtype, shape, data_offsets: [0, data.length] } }, data);
  return parseSafetensors(bytes).tensors.get('x') as HostTensor;
}

const bytesOf = ({ buffer }: { buffer: ArrayBufferLike }) => new Uint8Array(buffer);

function sorted({ tensors, metadata }: Safetensors) {
  return { metadata, tensors: [...tensors].sort(([a], [b]) => (a < b ? -1 : 1)) };
}

describe('round trip', () => {
  test('through memory keeps every tensor, name and metadata entry', () => {
    expect(sorted(parseSafetensors(formatSafetensors(contents)))).toEqual(sorted(contents));
  });

  test('through a file, leaving no other file', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'safetensors-'));
    try {
      const target = path.join(folder, 'a.safetensors');
      writeSafetensors(target, { tensors: new Map(), metadata: {} });
      writeSafetensors(target, contents);
      expect(sorted(readSafetensors(target))).toEqual(sorted(contents));
      expect(fs.readdirSync(folder)).toEqual(['a.safetensors']);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  test('data is aligned to its element size', () => {
    const bytes = Buffer.from(formatSafetensors(contents));
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(bytes.subarray(8, 8 + headerBytes).toString());
    expect(header['a.weight'].data_offsets[0] % 4).toBe(0);
    expect(header.ids.data_offsets[0] % 4).toBe(0);
  });

  test('reads data that is not aligned', () => {
    const data = [1, ...bytesOf(Float32Array.of(2.5))];
    const header = {
      flag: { dtype: 'BOOL', shape: [1], data_offsets: [0, 1] },
      x: { dtype: 'F32', shape: [1], data_offsets: [1, 5] },
    };
    const { tensors } = parseSafetensors(file(header, data));
    expect(tensors.get('x')?.data).toEqual(Float32Array.of(2.5));
  });
});

describe('conversion', () => {
  const cases: [string, { buffer: ArrayBufferLike }, HostTensor['dtype'], number[]][] = [
    ['F64', Float64Array.of(0.1, -3), 'float32', [Math.fround(0.1), -3]],
    [
      'F16',
      Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x8000),
      'float32',
      [1, -2, 2 ** -24, 65504, Number.NEGATIVE_INFINITY, -0],
    ],
    ['BF16', Uint16Array.of(0x3f80, 0xc040, 0x7f80), 'float32', [1, -3, Number.POSITIVE_INFINITY]],
    ['I64', BigInt64Array.of(-2147483648n, 5n), 'int32', [-2147483648, 5]],
    ['I16', Int16Array.of(-5, 300), 'int32', [-5, 300]],
    ['I8', Int8Array.of(-5, 127), 'int32', [-5, 127]],
    ['U8', Uint8Array.of(0, 255), 'int32', [0, 255]],
  ];
  test.each(cases)('%s', (dtype, values, to, expectedValues) => {
    const tensor = one(dtype, [expectedValues.length], bytesOf(values));
    expect(tensor.dtype).toBe(to);
    expect([...tensor.data]).toEqual(expectedValues);
  });

  test('a float16 NaN stays one', () => {
    expect(one('F16', [1], bytesOf(Uint16Array.of(0x7e01))).data[0]).toBeNaN();
  });
});

describe('a hostile file', () => {
  const whole = formatSafetensors(contents);
  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  const cases: [string, Uint8Array, RegExp][] = [
    ['of no bytes', new Uint8Array(0), /at least 8 bytes/],
    ['with a header longer than the file', whole.subarray(0, 40), /header length/],
    ['with a header length of 2^64 - 1', new Uint8Array(16).fill(255), /header length/],
    ['that is truncated', whole.subarray(0, whole.length - 1), /truncated/],
    ['with bytes left over', Buffer.concat([whole, Buffer.of(0)]), /bytes of data for the file/],
    ['whose header is not JSON', file('{"x": '), /JSON for the header/],
    ['whose header is not UTF-8', file('\u0000').fill(0xff, 8), /JSON for the header/],
    ['whose header is a list', file([]), /an object for the header/],
    ['whose entry is null', file({ x: null }), /tensor 'x'/],
    ['of an unknown dtype', file({ x: { ...f32(0, 4), dtype: 'F8_E4M3' } }, [0, 0, 0, 0]), /dtype/],
    ['of dtype constructor', file({ x: { ...f32(0, 4), dtype: 'constructor' } }), /a dtype of/],
    ['with a negative size', file({ x: f32(0, 4, [-1]) }, [0, 0, 0, 0]), /shape of whole numbers/],
    ['with a fractional size', file({ x: f32(0, 4, [1.5]) }, [0, 0, 0, 0]), /shape/],
    ['with a shape too large', file({ x: f32(0, 4, [2 ** 40, 2 ** 40]) }, [0, 0, 0, 0]), /bytes/],
    ['with reversed offsets', file({ x: f32(4, 0, [1]) }, [0, 0, 0, 0]), /data_offsets/],
    ['with three offsets', file({ x: { ...f32(0, 4), data_offsets: [0, 2, 4] } }), /data_offsets/],
    ['with an offset outside', file({ x: f32(0, 8) }, [0, 0, 0, 0]), /truncated/],
    [
      'with overlapping tensors',
      file({ x: f32(0, 8), y: f32(4, 12) }, new Uint8Array(12)),
      /overlap/,
    ],
    ['with a hole', file({ x: f32(0, 4), y: f32(8, 12) }, new Uint8Array(12)), /hole/],
    ['with metadata of numbers', file({ __metadata__: { a: 1 } }), /__metadata__/],
    [
      'with an I64 beyond int32',
      file(
        { x: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } },
        bytesOf(BigInt64Array.of(2147483648n)),
      ),
      /fit in int32 for tensor 'x' but got 2147483648/,
    ],
    [
      'with a BOOL of 2',
      file({ x: { dtype: 'BOOL', shape: [1], data_offsets: [0, 1] } }, [2]),
      /bytes 0 or 1/,
    ],
  ];

  test.each(cases)('%s is refused', (_name, bytes, message) => {
    const read = () => parseSafetensors(bytes);
    expect(read).toThrow(FastWeightError);
    expect(read).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT' }));
    expect(read).toThrow(message);
  });

  test('cut at any byte is refused', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseSafetensors(whole.subarray(0, length))).toThrow(FastWeightError);
    }
  });
});

describe('a file that cannot be used', () => {
  test('for reading names the file', () => {
    const missing = path.join(os.tmpdir(), 'no-such-folder', 'a.safetensors');
    expect(() => readSafetensors(missing)).toThrow(FastWeightError);
    expect(() => readSafetensors(missing)).toThrow(/a\.safetensors: ENOENT/);
  });

  test('for writing leaves an older file as it was', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'safetensors-'));
    try {
      const target = path.join(folder, 'a.safetensors');
      writeSafetensors(target, contents);
      const data = Float32Array.of(1);
      const bad = new Map<string, HostTensor>([['x', { dtype: 'float32', shape: [2], data }]]);
      expect(() => writeSafetensors(target, { tensors: bad, metadata: {} })).toThrow(
        /1 elements for shape \[2\]/,
      );
      expect(readSafetensors(target).tensors.size).toBe(contents.tensors.size);
      expect(fs.readdirSync(folder)).toHaveLength(1);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });
});
