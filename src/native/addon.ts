import type { CpuAddon } from './cpu_addon';
import { FastWeightError } from './errors';
import type { FastWeightAddon } from './fast_weight_addon';
import { loadNativeModule } from './loader';
import type { OptimizerAddon } from './optimizer_addon';
import type { RandomAddon } from './random_addon';
import type { SequenceAddon } from './sequence_addon';
import type { TensorKernelsAddon } from './tensor_kernels_addon';
import type { TensorStorageAddon } from './tensor_storage_addon';

/** The native addon: what `native/binding` exports, name for name. */
export interface Addon
  extends TensorStorageAddon,
    TensorKernelsAddon,
    FastWeightAddon,
    SequenceAddon,
    CpuAddon,
    OptimizerAddon,
    RandomAddon {
  /** Hands over the class of the errors that native code throws; called once, before all else. */
  initialize(errorClass: typeof FastWeightError): void;
}

let addon: Addon | undefined;

/**
 * The native addon, loaded at the first call in each thread.
 *
 * @throws FastWeightError ERR_ADDON_LOAD when no binary loads on this machine; the code of a wrong
 * FASTWEIGHT_ISA.
 */
export function loadAddon(): Addon {
  if (addon === undefined) {
    const loaded = loadNativeModule() as Addon;
    loaded.initialize(FastWeightError);
    addon = loaded;
  }
  return addon;
}
