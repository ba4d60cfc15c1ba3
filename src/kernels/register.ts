// Importing this file registers the backend, its kernels, all gradients and the methods of tensors.
import { registerChainedOps } from '../backend/chained_ops';
import { registerCpuBackend } from '../backend/register';
import { registerGradients } from './gradients/register';
import { identityKernels } from './identity';

registerCpuBackend(new Map(identityKernels));
registerGradients();
registerChainedOps();
