// PyTorch checkpoints made in code: a pickle and storages in a zip archive of stored entries.

type Entries = Record<string, Uint8Array | string>;

/** A zip archive; `edit` may change a field of an entry's central header before it is written. */
export function zipFile(
  entries: Entries,
  edit: (name: string, central: Buffer) => void = () => {},
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, contents] of Object.entries(entries)) {
    const data = Buffer.from(contents);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt32LE(data.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(at, 42);
    edit(name, central);
    parts.push(local, Buffer.from(name), data);
    directory.push(central, Buffer.from(name));
    at += 30 + name.length + data.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(entries).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, central, end]);
}

const text = (value: string) => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([Buffer.from('X'), length, bytes]);
};

/** The opcodes of an integer, as the 8-byte LONG1. */
const integer = (value: number) => {
  const bytes = Buffer.alloc(10);
  bytes[0] = 0x8a;
  bytes[1] = 8;
  bytes.writeBigInt64LE(BigInt(value), 2);
  return bytes;
};

const tuple = (...items: Buffer[]) => Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')]);

const global = (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`);

/** What the pieces of a pickle are made with. */
export const pickled = {
  text,
  integer,
  tuple,
  global,
  call: (callee: Buffer, ...args: Buffer[]) =>
    Buffer.concat([callee, tuple(...args), Buffer.from('R')]),
  dict: (items: Record<string, Buffer>) =>
    Buffer.concat([
      Buffer.from('}('),
      ...Object.entries(items).flatMap(([key, value]) => [text(key), value]),
      Buffer.from('u'),
    ]),
  whole: (...pieces: Buffer[]) =>
    Buffer.concat([Buffer.from([0x80, 2]), ...pieces, Buffer.from('.')]),
};

export interface TensorFields {
  kind?: string;
  key?: string;
  /** Elements that the storage is said to have. */
  length?: number;
  offset?: number;
  shape?: number[];
  strides?: number[];
}

/** The pickle of a tensor; by default the vector of all 4 elements of storage 0. */
export function tensorPickle(fields: TensorFields = {}): Buffer {
  const { kind = 'FloatStorage', key = '0', length = 4, offset = 0 } = fields;
  const { shape = [4], strides = [1] } = fields;
  const id = tuple(text('storage'), global('torch', kind), text(key), text('cpu'), integer(length));
  const storage = Buffer.concat([id, Buffer.from('Q')]);
  const counts = (values: number[]) => tuple(...values.map(integer));
  return pickled.call(
    global('torch._utils', '_rebuild_tensor_v2'),
    storage,
    integer(offset),
    counts(shape),
    counts(strides),
    Buffer.from([0x89]),
    Buffer.from('N'),
  );
}

/** A checkpoint file with this pickle and one storage of the floats 1, 2, 3, 4. */
export function checkpointFile(pickle: Buffer, more: Entries = {}): Buffer {
  const storage = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
  return zipFile({ 'archive/data.pkl': pickle, 'archive/data/0': storage, ...more });
}
