import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import { instructionSets } from '../../src';
import { bundleScript, root } from '../support/bundle';

let script: string;

beforeAll(() => {
  script = bundleScript(path.join(__dirname, 'run_native.ts'));
});

function run(environment: Record<string, string>) {
  const output = execFileSync(process.execPath, [script, path.join(__dirname, 'cases')], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return JSON.parse(output) as { inUse: string; faults: [string, string][]; hash: string };
}

const { available } = instructionSets();

test.each(available)('every golden case keeps the contract with %s', (isa) => {
  const { inUse, faults } = run({ FASTWEIGHT_ISA: isa });
  expect(inUse).toBe(isa);
  expect(faults).toHaveLength(26);
  expect(faults.filter(([, message]) => message !== '')).toEqual([]);
});

test('results are bitwise the same for 1, 2 and 3 threads, and from run to run', () => {
  const hashes = ['1', '2', '3', '2'].map(
    (threads) => run({ FASTWEIGHT_NUM_THREADS: threads }).hash,
  );
  expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(hashes).size).toBe(1);
});
