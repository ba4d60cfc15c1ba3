// On a machine with a GPU: the suites of the CUDA device, and the golden cases.
import { cudaReport, hasCudaLibrary } from '../../src/native/cuda_device';
import { failuresOnCuda, suites } from './suites';

const reason = hasCudaLibrary() ? cudaReport().reason : 'the CUDA device was not built';
const works = reason === '';
if (!works) console.log(`Nothing runs on a GPU: ${reason}`);

(works ? test : test.skip).each(['test/golden/native.test.ts', ...suites])(
  '%s passes on the GPU',
  (suite) => expect(failuresOnCuda([suite])).toBe(''),
  900_000,
);
