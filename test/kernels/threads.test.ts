import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import { bundleScript, root } from '../support/bundle';

test('results are bitwise the same for any number of threads', () => {
  const script = bundleScript(path.join(__dirname, 'hash_results.ts'));
  const hashes = [1, 2, 3, 7].map((threads) =>
    execFileSync(process.execPath, [script], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, FASTWEIGHT_NUM_THREADS: String(threads) },
    }),
  );
  expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(hashes).size).toBe(1);
});
