import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import type { SpecResult } from './suite';

/** Bundles tfjs-core's suite with this package's sources, runs it, and returns every spec's result. */
export function runSuite(): SpecResult[] {
  const specs = scriptOf('specs');
  const suite = scriptOf('suite');
  const resultFile = path.join(path.dirname(specs), 'conformance.json');
  // The specs print tensors: their output is of no interest unless the process fails.
  execFileSync(process.execPath, [suite, specs, resultFile], {
    cwd: path.join(__dirname, '..', '..'),
    stdio: 'pipe',
    maxBuffer: 1 << 28,
  });
  return JSON.parse(readFileSync(resultFile, 'utf8')) as SpecResult[];
}

/** A script of this folder as one file: the one beside this, where it was made before. */
function scriptOf(name: string): string {
  const made = path.join(__dirname, `${name}.js`);
  if (existsSync(made)) return made;
  const { bundleScript } = require('../support/bundle') as typeof import('../support/bundle');
  return bundleScript(path.join(__dirname, `${name}.ts`));
}
