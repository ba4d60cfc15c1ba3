// Importing this file registers the backend, its kernels and the repaired gradients.
import { registerGradient } from '@tensorflow/tfjs-core';
import { registerCpuBackend } from '../backend/register';
import { newtonSchulzGradient, newtonSchulzKernels } from './fast_weights/newton_schulz';
import { scanGradients, scanKernels } from './fast_weights/scan';
import { identityKernels } from './identity';

registerCpuBackend(new Map([...identityKernels, ...scanKernels, ...newtonSchulzKernels]));
for (const gradient of [...scanGradients, newtonSchulzGradient]) registerGradient(gradient);
