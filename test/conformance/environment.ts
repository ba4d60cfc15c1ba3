// Runs first in the bundle. The gradients and tensor methods under test are those that importing this
// package registers.
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
import '../../src/kernels/register';
import { nativeBackend } from '../support/native_backend';

setTestEnvs([{ name: nativeBackend, backendName: nativeBackend, isDataSync: true }]);
