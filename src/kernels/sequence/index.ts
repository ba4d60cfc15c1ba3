import type { KernelTable } from '../kernel';
import { activationGradients, activationKernels } from './activations';
import { attentionGradients, attentionKernels } from './attention';
import { crossEntropyGradients, crossEntropyKernels } from './cross_entropy';
import type { GradientTable } from './gradient';
import { rotaryGradients, rotaryKernels } from './rotary';
import { rowNormGradients, rowNormKernels } from './row_norms';

/** Kernels of sequence models. */
export const sequenceKernels: KernelTable = [
  ...activationKernels,
  ...attentionKernels,
  ...crossEntropyKernels,
  ...rotaryKernels,
  ...rowNormKernels,
];

export const sequenceGradients: GradientTable = [
  ...activationGradients,
  ...attentionGradients,
  ...crossEntropyGradients,
  ...rotaryGradients,
  ...rowNormGradients,
];
