import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type BuildOptions, buildSync } from 'esbuild';
import type { SpecResult } from './suite';

const root = path.join(__dirname, '..', '..');
const outputFolder = path.join(root, 'build', 'conformance');

const options: BuildOptions = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  // The suite is published as ECMAScript modules; all else must share its instance of tfjs-core.
  mainFields: ['module', 'main'],
  // tfjs-core marks the files that register specs and gradients as free of side effects.
  ignoreAnnotations: true,
  preserveSymlinks: true,
  external: ['jasmine', '*.node'],
};

/** Bundles tfjs-core's suite with this package's sources, runs it, and returns every spec's result. */
export function runSuite(): SpecResult[] {
  mkdirSync(outputFolder, { recursive: true });
  const [specs, suite] = ['specs', 'suite'].map((name) => {
    const outfile = path.join(outputFolder, `${name}.js`);
    buildSync({ ...options, entryPoints: [path.join(__dirname, `${name}.ts`)], outfile });
    return outfile;
  });
  const resultFile = path.join(outputFolder, 'result.json');
  // The specs print tensors: their output is of no interest unless the process fails.
  execFileSync(process.execPath, [suite, specs, resultFile], {
    cwd: root,
    stdio: 'pipe',
    maxBuffer: 1 << 28,
  });
  return JSON.parse(readFileSync(resultFile, 'utf8')) as SpecResult[];
}
