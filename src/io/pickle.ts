import { expected } from '../native/errors';

/** A Python tuple. */
export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** Something that a pickle names by module and name, and what calling it gives. */
export interface PickleGlobal {
  readonly name: string;
  /** Left out where the thing is a mere name. */
  call?(args: readonly PickleValue[]): PickleValue;
}

/** A list is an array, a dict a Map; objects of the caller's own come from globals. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleTuple
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleGlobal
  | object;

/** What a pickle may refer to outside itself. */
export interface PickleEnvironment {
  /** Every global that may be named, as 'module name'; any other is an error. */
  globals: ReadonlyMap<string, PickleGlobal>;
  /** The object of a persistent id. */
  persistent(id: PickleValue): PickleValue;
}

/**
 * Reads a Python pickle (protocols 2 to 4) without running anything: opcodes and globals that are
 * not listed are errors, and a global is called only where its entry says how.
 *
 * @throws FastWeightError ERR_CHECKPOINT for bytes that are no whole pickle, or one that asks for an
 * opcode or a global that is not listed, which the message names.
 */
export function unpickle(bytes: Uint8Array, environment: PickleEnvironment): PickleValue {
  return new Unpickler(bytes, environment).run();
}

function malformed(expectation: string, got: string): Error {
  return expected('ERR_CHECKPOINT', expectation, 'the pickle', got);
}

/** The machine that a pickle's opcodes drive. */
class Unpickler {
  private readonly bytes: Buffer;
  private at = 0;
  private stack: PickleValue[] = [];
  /** The stacks below each open mark. */
  private readonly below: PickleValue[][] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(
    bytes: Uint8Array,
    private readonly environment: PickleEnvironment,
  ) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): PickleValue {
    for (;;) {
      const place = this.at;
      const opcode = this.bytes[this.take(1)];
      if (opcode === stop) {
        const value = this.pop();
        if (this.stack.length === 0 && this.below.length === 0) return value;
        throw malformed('one value at its end', 'more');
      }
      const perform = opcodes.get(opcode);
      if (perform === undefined) {
        const got = `0x${opcode.toString(16).padStart(2, '0')} at byte ${place}`;
        throw malformed('opcodes of protocol 2 to 4 that build plain data', got);
      }
      perform(this);
    }
  }

  /** Passes over `length` bytes and returns where they begin. */
  take(length: number): number {
    const begin = this.at;
    if (begin + length > this.bytes.length) {
      throw malformed(
        `${length} bytes at ${begin}`,
        `${this.bytes.length - begin}: it is truncated`,
      );
    }
    this.at += length;
    return begin;
  }

  byte(): number {
    return this.bytes[this.take(1)];
  }

  uint16(): number {
    return this.bytes.readUInt16LE(this.take(2));
  }

  int32(): number {
    return this.bytes.readInt32LE(this.take(4));
  }

  uint32(): number {
    return this.bytes.readUInt32LE(this.take(4));
  }

  float(): number {
    return this.bytes.readDoubleBE(this.take(8));
  }

  /** An 8-byte length. */
  length64(): number {
    const length = this.bytes.readBigUInt64LE(this.take(8));
    if (length > BigInt(this.bytes.length)) throw malformed('lengths within it', `${length}`);
    return Number(length);
  }

  blob(length: number): Uint8Array {
    const begin = this.take(length);
    return this.bytes.subarray(begin, begin + length);
  }

  text(length: number): string {
    const begin = this.take(length);
    return this.bytes.toString('utf8', begin, begin + length);
  }

  /** Text up to a line feed. */
  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw malformed('the end of a line', 'none: it is truncated');
    const text = this.text(end - this.at);
    this.take(1);
    return text;
  }

  /** A little-endian two's complement integer; a number where it is exact. */
  integer(length: number): number | bigint {
    // Longer ones are no sizes, and reading them takes time that grows with the square of the length.
    if (length > 32) throw malformed('integers of at most 32 bytes', `${length} bytes`);
    const digits = this.blob(length);
    let value = 0n;
    for (let at = length - 1; at >= 0; at--) value = (value << 8n) | BigInt(digits[at]);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    const value = this.stack.pop();
    if (value === undefined) throw malformed('a value on its stack', 'none');
    return value;
  }

  top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined) throw malformed('a value on its stack', 'none');
    return value;
  }

  mark(): void {
    this.below.push(this.stack);
    this.stack = [];
  }

  /** The values above the last mark, which goes. */
  popToMark(): PickleValue[] {
    const values = this.stack;
    const stack = this.below.pop();
    if (stack === undefined) throw malformed('a mark', 'none');
    this.stack = stack;
    return values;
  }

  remember(index: number): void {
    this.memo.set(index, this.top());
  }

  rememberNext(): void {
    this.remember(this.memo.size);
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw malformed(`memo ${index}`, 'none');
    this.push(value);
  }

  pushGlobal(module: PickleValue, name: PickleValue): void {
    const full = `${String(module)} ${String(name)}`;
    const found = this.environment.globals.get(full);
    if (found === undefined) {
      const got = `'${full.replace(' ', '.').slice(0, 120)}'`;
      throw expected('ERR_CHECKPOINT', 'tensors and plain data', 'the pickle', got);
    }
    this.push(found);
  }

  reduce(): void {
    const args = this.pop();
    const callee = this.pop() as PickleGlobal;
    if (!(args instanceof PickleTuple)) throw malformed('a tuple of arguments', typeof args);
    if (typeof callee?.call !== 'function') {
      throw malformed('something that can be called', String(callee?.name ?? callee));
    }
    this.push(callee.call(args.items));
  }

  /** State on top of a dict is Python's attributes of an OrderedDict, which hold no tensor. */
  build(): void {
    this.pop();
    if (!(this.top() instanceof Map)) throw malformed('state of a dict', 'of another object');
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw malformed('a list to append to', typeof list);
    for (const value of values) list.push(value);
  }

  setItems(values: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) throw malformed('a dict to set items of', typeof dict);
    if (values.length % 2 !== 0) throw malformed('a value for each key', 'a key alone');
    for (let at = 0; at < values.length; at += 2) dict.set(values[at], values[at + 1]);
  }

  persistent(): void {
    this.push(this.environment.persistent(this.pop()));
  }

  tuple(length: number): void {
    const items = Array.from({ length }, () => this.pop()).reverse();
    this.push(new PickleTuple(items));
  }
}

const stop = 0x2e;

/** The opcodes that plain data, tensors and calls of listed globals need, by their bytes. */
const opcodes: ReadonlyMap<number, (machine: Unpickler) => void> = new Map([
  [0x80, (m) => void m.byte()], // PROTO
  [0x95, (m) => void m.take(8)], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.uint16())], // BININT2
  [0x4a, (m) => m.push(m.int32())], // BININT
  [0x8a, (m) => m.push(m.integer(m.byte()))], // LONG1
  [0x8b, (m) => m.push(m.integer(m.uint32()))], // LONG4
  [0x47, (m) => m.push(m.float())], // BINFLOAT
  [0x8c, (m) => m.push(m.text(m.byte()))], // SHORT_BINUNICODE
  [0x58, (m) => m.push(m.text(m.uint32()))], // BINUNICODE
  [0x8d, (m) => m.push(m.text(m.length64()))], // BINUNICODE8
  [0x43, (m) => m.push(m.blob(m.byte()))], // SHORT_BINBYTES
  [0x42, (m) => m.push(m.blob(m.uint32()))], // BINBYTES
  [0x8e, (m) => m.push(m.blob(m.length64()))], // BINBYTES8
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x61, (m) => m.append([m.pop()])], // APPEND
  [0x65, (m) => m.append(m.popToMark())], // APPENDS
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x73, (m) => m.setItems([m.pop(), m.pop()].reverse())], // SETITEM
  [0x75, (m) => m.setItems(m.popToMark())], // SETITEMS
  [0x29, (m) => m.tuple(0)], // EMPTY_TUPLE
  [0x85, (m) => m.tuple(1)], // TUPLE1
  [0x86, (m) => m.tuple(2)], // TUPLE2
  [0x87, (m) => m.tuple(3)], // TUPLE3
  [0x74, (m) => m.push(new PickleTuple(m.popToMark()))], // TUPLE
  [0x71, (m) => m.remember(m.byte())], // BINPUT
  [0x72, (m) => m.remember(m.uint32())], // LONG_BINPUT
  [0x94, (m) => m.rememberNext()], // MEMOIZE
  [0x68, (m) => m.recall(m.byte())], // BINGET
  [0x6a, (m) => m.recall(m.uint32())], // LONG_BINGET
  [0x63, (m) => m.pushGlobal(m.line(), m.line())], // GLOBAL
  [0x93, (m) => m.pushGlobal(...([m.pop(), m.pop()].reverse() as [string, string]))], // STACK_GLOBAL
  [0x52, (m) => m.reduce()], // REDUCE
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.persistent()], // BINPERSID
]);
