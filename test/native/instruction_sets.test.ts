import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

const root = path.join(__dirname, '..', '..');
/** The objects of native/cpu/*_avx2.cc and *_avx512.cc, as CMake or node-gyp name them. */
function kernelObjects(): string[] {
  const build = path.join(root, 'build');
  return fs
    .readdirSync(build, { recursive: true, encoding: 'utf8' })
    .filter((file) => /_avx(2|512)(\.cc)?\.o$/.test(file))
    .map((file) => path.join(build, file));
}

// A shared inline function compiled with AVX-512 could be the copy that the linker keeps for all
// callers, and would crash a processor without it before any check.
test('files compiled for newer processors share no inline function with the others', () => {
  const sources = fs
    .readdirSync(path.join(root, 'native', 'cpu'))
    .filter((file) => /_avx(2|512)\.cc$/.test(file));
  const objects = kernelObjects();
  const names = new Set(objects.map((object) => path.basename(object).replace(/\..*/, '')));
  expect(names.size).toBe(sources.length);
  for (const object of objects) {
    const symbols = execFileSync('nm', ['-C', object], { encoding: 'utf8' }).split('\n');
    expect(symbols.filter((line) => / [WVu] /.test(line))).toEqual([]);
  }
});
