// The CUDA device of machines without a GPU: see test/native/cuda_emulation.
import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import { root } from './bundle';

/** Whether the emulation runs on this system. */
export const hasEmulation = process.platform === 'linux';

/** Where the C++ tests and the emulated device are built. */
export const nativeTestsFolder = path.join(root, 'build', 'native_tests');

/** Builds the C++ tests, or one target of them. Files that run at the same time wait for each other. */
export function buildNativeTests(target = 'all'): void {
  const settings = ['-DCMAKE_BUILD_TYPE=Release', '-DFASTWEIGHT_BUILD_TESTS=ON'];
  const lock = path.join(root, 'build', 'native_tests.lock');
  const cmake = (...args: string[]) =>
    hasEmulation ? execFileSync('flock', [lock, 'cmake', ...args]) : execFileSync('cmake', args);
  cmake('-S', root, '-B', nativeTestsFolder, ...settings);
  cmake('--build', nativeTestsFolder, '--parallel', '2', '--target', target);
}

/** The environment in which the addon's CUDA device is the emulated one. */
export function emulatedCuda(): Record<string, string | undefined> {
  const libraries = path.join(nativeTestsFolder, 'test', 'native', 'cuda_emulation');
  return {
    ...process.env,
    FASTWEIGHT_CUDA_LIBRARY: path.join(libraries, 'libfastweight_cuda_emulated.so'),
    FASTWEIGHT_CUBLAS_LIBRARY: path.join(libraries, 'libfastweight_cublas_emulation.so'),
  };
}
