import { fastWeightScan } from '../ops/fast_weight_scan';
import { newtonSchulz } from '../ops/newton_schulz';
import { type Implementation, referenceImplementation } from '../reference';

/** The operations and models of this package, for golden cases on its own backends. */
export const nativeImplementation: Implementation = {
  ...referenceImplementation,
  fastWeightScan,
  newtonSchulz,
};
