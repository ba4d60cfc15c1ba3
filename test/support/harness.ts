// Runs a test file where jest is not: the bundle for GPU machines. It knows as much of jest as
// those files use, with jest's own `expect`.
import { expect } from 'expect';

type Body = (...row: never[]) => unknown;

interface Test {
  name: string;
  body: () => unknown;
}

/** A file or a describe block. */
class Block {
  readonly tests: (Test | Block)[] = [];
  readonly before: (() => unknown)[] = [];
  readonly beforeEach: (() => unknown)[] = [];
  readonly after: (() => unknown)[] = [];
  readonly afterEach: (() => unknown)[] = [];

  constructor(
    readonly name: string,
    readonly parent?: Block,
  ) {}
}

let current = new Block('');
const counts = { passed: 0, failed: 0 };

function describe(name: string, body: () => void): void {
  const outer = current;
  current = new Block(name, outer);
  outer.tests.push(current);
  body();
  current = outer;
}

function test(name: string, body: () => unknown): void {
  current.tests.push({ name, body });
}

/** Jest's title of a row: %s and its like take the row's values in turn. */
function titleOf(name: string, row: readonly unknown[]): string {
  let next = 0;
  return name.replace(/%[sidfjop]/g, () => String(row[next++]));
}

function eachOf(define: (name: string, body: () => void) => void) {
  return (rows: readonly unknown[]) => (name: string, body: Body) => {
    for (const given of rows) {
      const row = Array.isArray(given) ? given : [given];
      define(titleOf(name, row), () => body(...(row as never[])));
    }
  };
}

Object.assign(globalThis, {
  expect,
  describe: Object.assign(describe, { each: eachOf(describe) }),
  test: Object.assign(test, { each: eachOf(test), skip: () => undefined }),
  it: Object.assign(test, { each: eachOf(test), skip: () => undefined }),
  beforeAll: (body: () => unknown) => current.before.push(body),
  beforeEach: (body: () => unknown) => current.beforeEach.push(body),
  afterAll: (body: () => unknown) => current.after.push(body),
  afterEach: (body: () => unknown) => current.afterEach.push(body),
});

async function runAll(bodies: readonly (() => unknown)[]): Promise<void> {
  for (const body of bodies) await body();
}

function chainOf(block: Block): Block[] {
  return block.parent ? [...chainOf(block.parent), block] : [block];
}

async function runTest(block: Block, { name, body }: Test): Promise<void> {
  const chain = chainOf(block);
  const title = [...chain.map((each) => each.name).filter(Boolean), name].join(' > ');
  try {
    for (const each of chain) await runAll(each.beforeEach);
    await body();
    for (const each of chain) await runAll(each.afterEach);
    counts.passed++;
  } catch (error) {
    counts.failed++;
    console.log(`FAILED ${title}\n${(error as Error).stack}`);
  }
}

async function runBlock(block: Block): Promise<void> {
  await runAll(block.before);
  for (const each of block.tests) {
    if (each instanceof Block) await runBlock(each);
    else await runTest(block, each);
  }
  await runAll(block.after);
}

/** Runs the tests that `load` defines and prints the counts; whether there were some and all passed. */
export async function runFile(name: string, load: () => unknown): Promise<boolean> {
  current = new Block(name);
  await load();
  await runBlock(current);
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0;
}
