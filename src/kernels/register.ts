// Importing this file registers the backend, its kernels and the repaired gradients.
// tfjs-layers is imported for the gradients of tfjs's own kernels, which tfjs-core leaves out.
import '@tensorflow/tfjs-layers';
import { registerGradient } from '@tensorflow/tfjs-core';
import { registerCpuBackend } from '../backend/register';
import { newtonSchulzGradient, newtonSchulzKernels } from './fast_weights/newton_schulz';
import { scanGradients, scanKernels } from './fast_weights/scan';
import { identityKernels } from './identity';

registerCpuBackend(new Map([...identityKernels, ...scanKernels, ...newtonSchulzKernels]));
for (const gradient of [...scanGradients, newtonSchulzGradient]) registerGradient(gradient);
