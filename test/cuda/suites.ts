// What has to hold on the CUDA device as it does on the CPU, beside the golden cases.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import * as path from 'node:path';
import { root } from '../support/bundle';

export const suites = [
  'test/conformance',
  'test/gradients',
  'test/memory/memory.test.ts',
  'test/memory/scan_memory.test.ts',
  'test/kernels/native_kernels.test.ts',
  'test/kernels/convolution.test.ts',
  'test/kernels/activation_storage.test.ts',
  'test/models/activation_storage.test.ts',
  'test/ops',
  'test/streaming',
] as const;

/** Runs suites on fastweight-cuda, in a process of their own; what went wrong, or ''. */
export function failuresOnCuda(
  files: readonly string[],
  environment: Record<string, string | undefined> = process.env,
): string {
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const { status, stderr }: SpawnSyncReturns<string> = spawnSync(
    process.execPath,
    [jest, '--runInBand', ...files],
    {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...environment,
        FASTWEIGHT_DEVICE: 'cuda',
        FASTWEIGHT_TEST_BACKEND: 'fastweight-cuda',
      } as NodeJS.ProcessEnv,
      maxBuffer: 1 << 28,
    },
  );
  return status === 0 ? '' : stderr.slice(-20_000);
}
