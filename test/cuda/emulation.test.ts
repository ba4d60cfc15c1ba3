// The suites of the CUDA device on a machine without a GPU: its kernels run on the host.
import { buildNativeTests, emulatedCuda, hasEmulation } from '../support/emulated_cuda';
import { failuresOnCuda, suites } from './suites';

if (hasEmulation) beforeAll(() => buildNativeTests('fastweight_cuda_emulated'), 600_000);

(hasEmulation ? test : test.skip).each(suites)(
  '%s passes on the CUDA device under emulation',
  (suite) => expect(failuresOnCuda([suite], emulatedCuda())).toBe(''),
  300_000,
);
