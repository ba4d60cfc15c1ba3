// What has to hold on a GPU as it does on the CPU: the suites below, run again on fastweight-cuda.
import { spawnSync } from 'node:child_process';
import * as path from 'node:path';
import { cudaReport, hasCudaLibrary } from '../../src/native/cuda_device';

const root = path.join(__dirname, '..', '..');
const jestProgram = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');

const suites = [
  'test/golden/native.test.ts',
  'test/conformance',
  'test/gradients',
  'test/memory/memory.test.ts',
  'test/kernels/native_kernels.test.ts',
  'test/kernels/convolution.test.ts',
  'test/kernels/activation_storage.test.ts',
  'test/models/activation_storage.test.ts',
  'test/ops',
];

const reason = hasCudaLibrary() ? cudaReport().reason : 'the CUDA device was not built';
const works = reason === '';
if (!works) console.log(`Nothing runs on a GPU: ${reason}`);

(works ? test : test.skip).each(suites)(
  '%s passes on the GPU',
  (suite) => {
    const { status, stderr } = spawnSync(process.execPath, [jestProgram, '--runInBand', suite], {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...process.env,
        FASTWEIGHT_DEVICE: 'cuda',
        FASTWEIGHT_TEST_BACKEND: 'fastweight-cuda',
      },
      maxBuffer: 1 << 28,
    });
    expect(status === 0 ? '' : stderr.slice(-20_000)).toBe('');
  },
  900_000,
);
