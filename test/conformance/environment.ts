// Runs first in the bundle: what tfjs-core's suite expects to find when its files are loaded.
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
import '../../src/kernels/register';

setTestEnvs([{ name: 'fastweight-cpu', backendName: 'fastweight-cpu', isDataSync: true }]);
