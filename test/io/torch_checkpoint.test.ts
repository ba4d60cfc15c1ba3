import * as fs from 'node:fs';
import * as path from 'node:path';
import { Random } from '../../src/data/random';
import { bytesSource } from '../../src/io/byte_source';
import { type HostTensor, parseSafetensors } from '../../src/io/safetensors';
import { formatHeader } from '../../src/io/safetensors_header';
import { torchTensors } from '../../src/io/torch_checkpoint';
import type { TorchTensor } from '../../src/io/torch_tensors';
import { FastWeightError } from '../../src/native/errors';
import {
  checkpointFile,
  pickled,
  type TensorFields,
  tensorPickle,
  zipFile,
} from '../support/torch_files';

const written = fs.readFileSync(path.join(__dirname, 'fixtures', 'checkpoint.pt'));
const tensorsOf = (file: Uint8Array, key?: string) => torchTensors(bytesSource(file), key);

/** The values of a tensor, by way of a safetensors file of it alone. */
function valuesOf(tensor: TorchTensor): HostTensor {
  const { dtype, shape } = tensor;
  const bytes = tensor.bytes();
  const entry = { name: 'it', dtype, shape: [...shape], begin: 0, end: bytes.length };
  const file = Buffer.concat([formatHeader({ metadata: {}, entries: [entry] }), bytes]);
  return parseSafetensors(file).tensors.get('it') as HostTensor;
}

/** What make_checkpoint.py calls the ramp: (0, 1, ... 11) / 8 - 0.5 as [3, 4]. */
const ramp = (row: number, column: number) => (4 * row + column) / 8 - 0.5;

const grid = (rows: number, columns: number, at: (row: number, column: number) => number) =>
  Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns));

describe('a checkpoint that PyTorch wrote', () => {
  const tensors = tensorsOf(written);

  test('gives the parameters of its model without the wrapper prefix', () => {
    expect([...tensors.keys()].sort()).toEqual(
      'bfloat16 bool columns empty every_other float16 float32 float64 int16 int32 int64 int8 parameter scalar transposed uint8'.split(
        ' ',
      ),
    );
  });

  test.each<[string, string, number[], number[]]>([
    ['float32', 'F32', [3, 4], grid(3, 4, ramp)],
    ['float64', 'F64', [3, 4], grid(3, 4, ramp)],
    ['float16', 'F16', [3, 4], grid(3, 4, ramp)],
    ['bfloat16', 'BF16', [3, 4], grid(3, 4, ramp)],
    ['transposed', 'F32', [4, 3], grid(4, 3, (row, column) => ramp(column, row))],
    ['columns', 'F32', [3, 2], grid(3, 2, (row, column) => ramp(row, column + 1))],
    ['every_other', 'F32', [2, 4], grid(2, 4, (row, column) => ramp(2 * row, column))],
    ['int32', 'I32', [2], [-5, 7]],
    ['int16', 'I16', [2], [-5, 7]],
    ['int8', 'I8', [2], [-5, 7]],
    ['uint8', 'U8', [2], [5, 250]],
    ['bool', 'BOOL', [2], [1, 0]],
    ['scalar', 'F32', [], [2.5]],
    ['empty', 'F32', [0, 3], []],
    ['parameter', 'F32', [2], [1, -1]],
  ])('%s is %s %j', (name, dtype, shape, values) => {
    const tensor = tensors.get(name) as TorchTensor;
    expect([tensor.dtype, tensor.shape]).toEqual([dtype, shape]);
    expect([...valuesOf(tensor).data]).toEqual(values);
  });

  test('int64 keeps all 64 bits', () => {
    const bytes = Uint8Array.from((tensors.get('int64') as TorchTensor).bytes());
    expect([...new BigInt64Array(bytes.buffer)]).toEqual([-5n, 7n, 2n ** 40n]);
  });

  test('gives the dict of a key', () => {
    const shadow = tensorsOf(written, 'ema.shadow').get('float32') as TorchTensor;
    expect([...valuesOf(shadow).data].slice(0, 2)).toEqual([0.5, 0.375]);
    expect(() => tensorsOf(written, 'ema.light')).toThrow(
      "Expected a dict of tensors for key 'ema.light' but got nothing",
    );
  });
});

test('tensors at the top level, and in the only dict with tensors, are found', () => {
  const flat = checkpointFile(pickled.whole(pickled.dict({ w: tensorPickle() })));
  expect([...valuesOf(tensorsOf(flat).get('w') as TorchTensor).data]).toEqual([1, 2, 3, 4]);
  const inner = pickled.dict({ _orig_mod: pickled.integer(3), w: tensorPickle() });
  const nested = checkpointFile(pickled.whole(pickled.dict({ net: inner })));
  expect([...tensorsOf(nested).keys()]).toEqual(['w']);
});

test('larger archives, whose end record refers to a 64-bit one, are read', () => {
  const file = checkpointFile(pickled.whole(pickled.dict({ w: tensorPickle() })));
  const end = file.subarray(-22);
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(end.readUInt16LE(10)), 32);
  record.writeBigUInt64LE(BigInt(end.readUInt32LE(12)), 40);
  record.writeBigUInt64LE(BigInt(end.readUInt32LE(16)), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(file.length - 22), 8);
  const full = Buffer.from(end);
  full.fill(0xff, 10, 20);
  const large = Buffer.concat([file.subarray(0, -22), record, locator, full]);
  expect([...tensorsOf(large).keys()]).toEqual(['w']);
});

const checkpointOf = (...pieces: Buffer[]) => checkpointFile(pickled.whole(...pieces));
const ofTensor = (fields: TensorFields) => checkpointOf(pickled.dict({ w: tensorPickle(fields) }));
const call = (module: string, name: string) =>
  checkpointOf(pickled.call(pickled.global(module, name), pickled.text('touch owned')));

test.each<[string, Uint8Array, RegExp]>([
  ['nothing', new Uint8Array(0), /a zip archive for the file but got no end of one/],
  ['text', Buffer.from('x'.repeat(100)), /a zip archive/],
  ['a legacy pickle', Buffer.from([0x80, 2, 0x2e]), /a bare pickle.*save it again/],
  ['another archive', zipFile({ 'a/b': 'c' }), /an entry data.pkl/],
  [
    'compressed entries',
    zipFile({ 'a/data.pkl': 'x' }, (_, central) => central.writeUInt16LE(8, 10)),
    /stored as they are for entry 'a\/data.pkl' but got compression method 8/,
  ],
  [
    'encrypted entries',
    zipFile({ 'a/data.pkl': 'x' }, (_, central) => central.writeUInt16LE(1, 8)),
    /no encryption/,
  ],
  [
    'an entry beyond the file',
    zipFile({ 'a/data.pkl': 'x' }, (_, central) => central.writeUInt32LE(9999, 24)),
    /bytes within the file/,
  ],
  [
    'big-endian numbers',
    checkpointFile(pickled.whole(), { 'archive/byteorder': 'big' }),
    /'little' for the byte order but got 'big'/,
  ],
  ['a call of os.system', call('os', 'system'), /plain data for the pickle but got 'os.system'/],
  ['a call of eval', call('builtins', 'eval'), /got 'builtins.eval'/],
  ['a class of its own', call('__main__', 'Model'), /got '__main__.Model'/],
  ['a call of a dtype', call('torch', 'float32'), /something that can be called/],
  [
    'an opcode that makes objects',
    checkpointOf(Buffer.from('i')),
    /opcodes .* but got 0x69 at byte 2/,
  ],
  ['an empty stack', checkpointOf(Buffer.from('R')), /a value on its stack for the pickle/],
  ['a missing mark', checkpointOf(Buffer.from(']e')), /a mark for the pickle but got none/],
  ['an unknown memo', checkpointOf(Buffer.from('h\x07')), /memo 7/],
  ['a long beyond measure', checkpointOf(Buffer.from([0x8b, 0, 0, 0, 1])), /at most 32 bytes/],
  ['no end', checkpointFile(Buffer.from([0x80, 2, 0x4e])), /truncated/],
  ['no tensors', checkpointOf(pickled.dict({})), /one dict of tensors .* but got none/],
  [
    'two dicts of tensors',
    checkpointOf(
      pickled.dict({
        a: pickled.dict({ w: tensorPickle() }),
        b: pickled.dict({ w: tensorPickle() }),
      }),
    ),
    /got 'a', 'b'. Say which/,
  ],
  [
    'a name twice',
    checkpointOf(pickled.dict({ w: tensorPickle(), 'module.w': tensorPickle() })),
    /each name once for the tensors but got 'w' twice/,
  ],
  [
    'an unknown kind of storage',
    ofTensor({ kind: 'QuantizedStorage' }),
    /got 'torch.QuantizedStorage'/,
  ],
  ['a storage that is not there', ofTensor({ key: '7' }), /16 bytes for storage '7' but got none/],
  ['a storage of another size', ofTensor({ length: 5 }), /20 bytes for storage '0' but got 16/],
  ['a storage of -1', ofTensor({ length: -1 }), /for storage '0'/],
  ['a tensor beyond its storage', ofTensor({ shape: [5] }), /within the 4 of its storage/],
  ['an offset beyond it', ofTensor({ offset: 1 }), /within the 4 of its storage/],
  ['a negative offset', ofTensor({ offset: -1 }), /within the 4 of its storage/],
  ['a negative stride', ofTensor({ strides: [-1] }), /whole numbers for the strides/],
  ['fewer strides than axes', ofTensor({ strides: [] }), /as many strides as axes/],
  [
    'one element as 2^40',
    ofTensor({ shape: [2 ** 20, 2 ** 20], strides: [0, 0] }),
    /at most the 4/,
  ],
  ['endless sizes', ofTensor({ shape: [2 ** 50, 2 ** 50], strides: [1, 1] }), /within the 4/],
  [
    'one storage forty times',
    checkpointFile(
      pickled.whole(
        pickled.dict(
          Object.fromEntries(
            Array.from({ length: 40 }, (_, at) => [
              `${at}`,
              tensorPickle({ key: 'big', length: 20_000, shape: [20_000] }),
            ]),
          ),
        ),
      ),
      { 'archive/data/big': new Uint8Array(80_000) },
    ),
    /at most 16 times the file's .* for all tensors together but got 3200000/,
  ],
])('%s is an ERR_CHECKPOINT', (_, file, message) => {
  const error = thrownBy(() => tensorsOf(file));
  expect(error).toBeInstanceOf(FastWeightError);
  expect(error).toMatchObject({ code: 'ERR_CHECKPOINT', message: expect.stringMatching(message) });
});

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Reads all there is; what goes wrong must be an ERR_CHECKPOINT. */
function readOrRefuse(file: Uint8Array): 'read' | 'refused' {
  const error = thrownBy(() => {
    for (const tensor of tensorsOf(file).values()) tensor.bytes();
  });
  if (error === undefined) return 'read';
  expect(error).toBeInstanceOf(FastWeightError);
  expect(error).toMatchObject({ code: 'ERR_CHECKPOINT' });
  return 'refused';
}

test('a file cut short anywhere is refused', () => {
  for (let length = 0; length < written.length; length += 7) {
    expect(readOrRefuse(written.subarray(0, length))).toBe('refused');
  }
});

test('damaged bytes are read or refused, nothing else', () => {
  const random = new Random(3);
  const counts = { read: 0, refused: 0 };
  for (let round = 0; round < 4000; round++) {
    const file = Buffer.from(written);
    for (let damage = 0; damage <= random.integer(3); damage++) {
      file[random.integer(file.length)] = random.integer(256);
    }
    counts[readOrRefuse(file)]++;
  }
  expect(counts.refused).toBeGreaterThan(500);
});

test('a pickle of random opcodes is refused', () => {
  const random = new Random(4);
  const opcodes = [...Buffer.from('(}]a)tRbsueQNhqcXKMJGB.'), 0x80, 0x85, 0x88, 0x8a, 0x93, 0x94];
  for (let round = 0; round < 4000; round++) {
    const length = 1 + random.integer(40);
    const bytes = Array.from({ length }, () => opcodes[random.integer(opcodes.length)]);
    expect(readOrRefuse(checkpointFile(Buffer.from(bytes)))).toBe('refused');
  }
});
