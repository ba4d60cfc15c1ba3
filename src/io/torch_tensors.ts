import { expected } from '../native/errors';
import type { ByteSource } from './byte_source';
import { type PickleGlobal, PickleTuple, type PickleValue } from './pickle';
import { codecs } from './tensor_codec';

/** The safetensors dtype of each kind of PyTorch storage. */
export const storageDtypes: Readonly<Record<string, string>> = {
  FloatStorage: 'F32',
  DoubleStorage: 'F64',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** A one-dimensional run of elements that tensors are views of. */
export class TorchStorage {
  constructor(
    readonly dtype: string,
    /** Number of elements. */
    readonly length: number,
    private readonly source: ByteSource,
    /** Where the first element lies in the source. */
    private readonly begin: number,
  ) {}

  get elementBytes(): number {
    return codecs[this.dtype].size;
  }

  /** The bytes of elements [first, first + count). */
  read(first: number, count: number): Uint8Array<ArrayBuffer> {
    const size = this.elementBytes;
    return this.source.read(this.begin + first * size, count * size);
  }
}

/** A tensor of a PyTorch checkpoint: a view of a storage, whose elements are read when asked for. */
export class TorchTensor {
  constructor(
    private readonly storage: TorchStorage,
    /** Elements of the storage before the first one. */
    private readonly offset: number,
    readonly shape: readonly number[],
    /** Elements of the storage from one index to the next along each axis. */
    private readonly strides: readonly number[],
  ) {}

  /** A safetensors dtype. */
  get dtype(): string {
    return this.storage.dtype;
  }

  get elements(): number {
    return elementsOf(this.shape);
  }

  get byteLength(): number {
    return this.elements * this.storage.elementBytes;
  }

  /** Little-endian elements in row-major order of the shape. */
  bytes(): Uint8Array {
    const { storage, offset, elements } = this;
    if (elements === 0) return new Uint8Array(0);
    const span = spanOf(this.shape, this.strides);
    const bytes = storage.read(offset, span);
    return span === elements && this.isRowMajor() ? bytes : this.gathered(bytes);
  }

  private isRowMajor(): boolean {
    let stride = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      if (this.shape[axis] !== 1 && this.strides[axis] !== stride) return false;
      stride *= this.shape[axis];
    }
    return true;
  }

  /** The elements in row-major order, out of the part of the storage that holds them. */
  private gathered(span: Uint8Array<ArrayBuffer>): Uint8Array {
    const from = elementArray(span.buffer, this.storage.elementBytes);
    const to = elementArray(new ArrayBuffer(this.byteLength), this.storage.elementBytes);
    const { shape, strides } = this;
    const index = shape.map(() => 0);
    let at = 0;
    for (let element = 0; element < to.length; element++) {
      to[element] = from[at];
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        at += strides[axis];
        if (++index[axis] < shape[axis]) break;
        at -= strides[axis] * shape[axis];
        index[axis] = 0;
      }
    }
    return new Uint8Array(to.buffer);
  }
}

/** Elements as unsigned integers of their size, which copies every bit. */
function elementArray(buffer: ArrayBuffer, size: number) {
  const arrays = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array };
  return new arrays[size as keyof typeof arrays](buffer) as { [at: number]: number } & {
    length: number;
    buffer: ArrayBuffer;
  };
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Elements of the storage from the first to the last one, both included. */
function spanOf(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((span, size, axis) => span + (size - 1) * strides[axis], 1);
}

const isCount = (value: PickleValue): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

function countsOf(value: PickleValue | undefined, what: string): number[] {
  if (value instanceof PickleTuple && value.items.every(isCount)) return value.items as number[];
  throw expected('ERR_CHECKPOINT', 'whole numbers', `the ${what} of a tensor`, describe(value));
}

function describe(value: PickleValue | undefined): string {
  if (value instanceof PickleTuple) return `(${value.items.map(describe).join(', ')})`.slice(0, 80);
  return typeof value === 'object' && value !== null ? 'an object' : String(value).slice(0, 80);
}

/** PyTorch's own limit, which keeps a walk along all axes short. */
const mostAxes = 64;

/** torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, ...). */
function rebuildTensor(args: readonly PickleValue[]): TorchTensor {
  const [storage, offset, size, stride] = args;
  if (!(storage instanceof TorchStorage)) {
    throw expected('ERR_CHECKPOINT', 'a storage', 'a tensor', describe(storage));
  }
  const shape = countsOf(size, 'shape');
  const strides = countsOf(stride, 'strides');
  if (shape.length !== strides.length || shape.length > mostAxes) {
    const got = `${shape.length} and ${strides.length}`;
    throw expected('ERR_CHECKPOINT', 'as many strides as axes', 'a tensor', got);
  }
  const elements = elementsOf(shape);
  const end = elements === 0 ? 0 : Number(offset) + spanOf(shape, strides);
  if (!isCount(offset) || !(end <= storage.length)) {
    const got = `offset ${describe(offset)}, shape [${shape}], strides [${strides}]`;
    const expectation = `elements within the ${storage.length} of its storage`;
    throw expected('ERR_CHECKPOINT', expectation, 'a tensor', got);
  }
  // A view with a stride of 0 repeats elements; unbounded, a small file would ask for any amount.
  if (elements > storage.length) {
    const expectation = `at most the ${storage.length} elements of its storage`;
    throw expected('ERR_CHECKPOINT', expectation, 'a tensor', `shape [${shape}]`);
  }
  return new TorchTensor(storage, offset, shape, strides);
}

/** torch._utils._rebuild_parameter(tensor, requires_grad, hooks). */
function rebuildParameter([tensor]: readonly PickleValue[]): TorchTensor {
  if (tensor instanceof TorchTensor) return tensor;
  throw expected('ERR_CHECKPOINT', 'a tensor', 'a parameter', describe(tensor));
}

/** The items of a dict as (key, value) pairs in a list, or nothing. */
function dictOf(pairs: PickleValue | undefined): Map<PickleValue, PickleValue> {
  if (pairs === undefined) return new Map();
  const isPair = (pair: PickleValue) =>
    (Array.isArray(pair) && pair.length === 2) ||
    (pair instanceof PickleTuple && pair.items.length === 2);
  if (!Array.isArray(pairs) || !pairs.every(isPair)) {
    throw expected('ERR_CHECKPOINT', 'pairs of key and value', 'a dict', describe(pairs));
  }
  return new Map(
    pairs.map((pair) => (pair instanceof PickleTuple ? pair.items : pair) as [string, PickleValue]),
  );
}

/** _codecs.encode(text, 'latin1'), which is how protocol 2 writes bytes. */
function encodedBytes([text, encoding]: readonly PickleValue[]): Uint8Array {
  if (typeof text !== 'string' || encoding !== 'latin1') {
    const got = `${describe(text)} as ${describe(encoding)}`;
    throw expected('ERR_CHECKPOINT', "text in 'latin1'", 'bytes', got);
  }
  return Buffer.from(text, 'latin1');
}

const calls: Record<string, PickleGlobal['call']> = {
  'torch._utils _rebuild_tensor_v2': rebuildTensor,
  'torch._utils _rebuild_parameter': rebuildParameter,
  '_codecs encode': encodedBytes,
  'torch Size': ([items]) => items ?? new PickleTuple([]),
  'torch device': ([name]) => name ?? null,
  'collections OrderedDict': ([pairs]) => dictOf(pairs),
  'collections defaultdict': ([, pairs]) => dictOf(pairs),
};

const dtypes = ['float32', 'float64', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8'];

/** Names without a meaning of their own here: storages' kinds, dtypes, the factory of a dict. */
const names = [
  ...Object.keys(storageDtypes).map((kind) => `torch ${kind}`),
  ...[...dtypes, 'uint8', 'bool'].map((dtype) => `torch ${dtype}`),
  ...['dict', 'list', 'int', 'float'].flatMap((type) => [
    `builtins ${type}`,
    `__builtin__ ${type}`,
  ]),
];

/** Every global that a checkpoint of tensors and plain data names. */
export const torchGlobals: ReadonlyMap<string, PickleGlobal> = new Map([
  ...names.map((name): [string, PickleGlobal] => [name, { name }]),
  ...Object.entries(calls).map(([name, call]): [string, PickleGlobal] => [name, { name, call }]),
]);
