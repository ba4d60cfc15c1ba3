// Runs first in the bundle. The gradients and tensor methods under test are those that importing this
// package registers.
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
import '../../src/kernels/register';

setTestEnvs([{ name: 'fastweight-cpu', backendName: 'fastweight-cpu', isDataSync: true }]);
