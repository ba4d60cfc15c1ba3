import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { bundleScript, root } from '../support/bundle';
import type { SpecResult } from './suite';

/** Bundles tfjs-core's suite with this package's sources, runs it, and returns every spec's result. */
export function runSuite(): SpecResult[] {
  const specs = bundleScript(path.join(__dirname, 'specs.ts'));
  const suite = bundleScript(path.join(__dirname, 'suite.ts'));
  const resultFile = path.join(path.dirname(specs), 'conformance.json');
  // The specs print tensors: their output is of no interest unless the process fails.
  execFileSync(process.execPath, [suite, specs, resultFile], {
    cwd: root,
    stdio: 'pipe',
    maxBuffer: 1 << 28,
  });
  return JSON.parse(readFileSync(resultFile, 'utf8')) as SpecResult[];
}
