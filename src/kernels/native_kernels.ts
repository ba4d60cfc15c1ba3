import { binaryKernels } from './binary';
import { castKernels } from './cast';
import { concatKernels } from './concat';
import { convolutionKernels } from './convolution';
import { einsumKernels } from './einsum';
import { identityKernels } from './identity';
import type { KernelTable } from './kernel';
import { matMulKernels } from './matmul';
import { reduceKernels } from './reduce';
import { transposeKernels } from './transpose';
import { unaryKernels } from './unary';

/** The native kernels that stand in for tfjs's own. */
export const nativeKernels: KernelTable = [
  ...identityKernels,
  ...unaryKernels,
  ...binaryKernels,
  ...reduceKernels,
  ...matMulKernels,
  ...einsumKernels,
  ...convolutionKernels,
  ...transposeKernels,
  ...concatKernels,
  ...castKernels,
];
