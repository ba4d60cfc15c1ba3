import { execFileSync, spawnSync } from 'node:child_process';
import * as path from 'node:path';

const root = path.join(__dirname, '..', '..');
const build = path.join(root, 'build', 'native_tests');

beforeAll(() => {
  const settings = ['-DCMAKE_BUILD_TYPE=Release', '-DFASTWEIGHT_BUILD_TESTS=ON'];
  execFileSync('cmake', ['-S', root, '-B', build, ...settings]);
  execFileSync('cmake', ['--build', build, '--parallel', '2']);
}, 600_000);

test('every check of the C++ tests passes', () => {
  const program = path.join(build, 'fastweight_native_tests');
  const { status, stdout } = spawnSync(program, { encoding: 'utf8' });
  expect(stdout).not.toContain('FAILED');
  expect(stdout).toMatch(/^[1-9]\d* passed, 0 failed$/m);
  expect(status).toBe(0);
});
