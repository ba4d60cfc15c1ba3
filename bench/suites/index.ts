import type { Suite } from '../case';
import { attention } from './attention';
import { decode } from './decode';
import { fastWeightScan } from './fast_weight_scan';
import { gemm } from './gemm';
import { prefill, trainStep } from './language_model';
import { newtonSchulz } from './newton_schulz';

/** Every suite, in the order of a run. */
export const suites: readonly Suite[] = [
  gemm,
  newtonSchulz,
  fastWeightScan,
  attention,
  trainStep,
  prefill,
  decode,
];
