import * as path from 'node:path';
import { buildSync } from 'esbuild';

export const root = path.join(__dirname, '..', '..');

/** Turns a script of the tests, with the sources it imports, into one file that Node runs. */
export function bundleScript(entry: string): string {
  const name = path.basename(entry, '.ts');
  const outfile = path.join(root, 'build', 'tests', `${name}.js`);
  buildSync({
    bundle: true,
    platform: 'node',
    format: 'cjs',
    // tfjs-core's suite is published as ECMAScript modules; all else must share its instance.
    mainFields: ['module', 'main'],
    // tfjs-core marks the files that register specs and gradients as free of side effects.
    ignoreAnnotations: true,
    preserveSymlinks: true,
    external: ['jasmine', '*.node'],
    entryPoints: [entry],
    outfile,
  });
  return outfile;
}
