import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import { bundleScript, root } from '../support/bundle';

test('worker threads each have a backend, agree, and leave a process that exits by itself', () => {
  const script = bundleScript(path.join(__dirname, 'worker_script.ts'));
  const output = execFileSync(process.execPath, [script], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
  const results = JSON.parse(output) as number[];
  expect(results).toHaveLength(5);
  expect(new Set(results).size).toBe(1);
});
