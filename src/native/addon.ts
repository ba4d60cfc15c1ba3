import type { CpuAddon } from './cpu_addon';
import type { DevicesAddon } from './device_addon';
import { FastWeightError } from './errors';
import { loadNativeModule } from './loader';

/** The native addon: what `native/binding` exports, name for name. */
export interface Addon extends CpuAddon, DevicesAddon {
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
