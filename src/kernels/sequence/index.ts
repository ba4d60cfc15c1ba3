import { registerGradient } from '@tensorflow/tfjs-core';
import type { KernelTable } from '../kernel';
import { activationGradients, activationKernels } from './activations';
import { attentionGradients, attentionKernels } from './attention';
import { crossEntropyGradients, crossEntropyKernels } from './cross_entropy';
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

export function registerSequenceGradients(): void {
  const tables = [
    activationGradients,
    attentionGradients,
    crossEntropyGradients,
    rotaryGradients,
    rowNormGradients,
  ];
  for (const gradient of tables.flat()) registerGradient(gradient);
}
