// Importing this file registers the backends, its kernels, all gradients and the methods of tensors.
import { registerGradient } from '@tensorflow/tfjs-core';
import { registerChainedOps } from '../backend/chained_ops';
import { registerBackends } from '../backend/register';
import { newtonSchulzGradient, newtonSchulzKernels } from './fast_weights/newton_schulz';
import { scanGradient, scanKernels } from './fast_weights/scan';
import { registerGradients } from './gradients/register';
import { linearGradient, linearKernels } from './linear';
import { nativeKernels } from './native_kernels';
import { optimizerKernels } from './optimizers';
import { dropoutGradient, randomKernels } from './random';
import { sequenceGradients, sequenceKernels } from './sequence';
import { storeActivationGradient, storeActivationKernels } from './store_activation';

registerBackends(
  new Map([
    ...nativeKernels,
    ...scanKernels,
    ...newtonSchulzKernels,
    ...sequenceKernels,
    ...optimizerKernels,
    ...randomKernels,
    ...linearKernels,
    ...storeActivationKernels,
  ]),
);
registerGradients();
for (const gradient of [
  scanGradient,
  newtonSchulzGradient,
  ...sequenceGradients,
  dropoutGradient,
  linearGradient,
  storeActivationGradient,
]) {
  registerGradient(gradient);
}
registerChainedOps();
