// Importing this file registers the backend, its kernels and the repaired gradients.
import { registerCpuBackend } from '../backend/register';
import { identityKernels } from './identity';
import { registerSequenceGradients, sequenceKernels } from './sequence';

registerCpuBackend(new Map([...identityKernels, ...sequenceKernels]));
registerSequenceGradients();
