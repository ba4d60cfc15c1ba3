import type { FastWeightAddon } from './fast_weight_addon';
import type { OptimizerAddon } from './optimizer_addon';
import type { RandomAddon } from './random_addon';
import type { SequenceAddon } from './sequence_addon';
import type { TensorKernelsAddon } from './tensor_kernels_addon';
import type { TensorStorageAddon } from './tensor_storage_addon';

/** A point in a device's queue. */
export interface Marker {
  readonly marker: unique symbol;
}

/** What float32 matrix products may round their inputs to, as native code numbers it. */
export const matmulPrecisions = { float32: 0, tf32: 1, bfloat16: 2 } as const;

/** The functions of one open device (native/binding); handles are of this device alone. */
export interface DeviceAddon
  extends TensorStorageAddon,
    TensorKernelsAddon,
    FastWeightAddon,
    SequenceAddon,
    OptimizerAddon,
    RandomAddon {
  /** Waits for what is queued. Throws its first failure. */
  synchronize(): void;
  /** The end of what is queued now. */
  mark(): Marker;
  /** Waits until the device came by both. */
  millisecondsBetween(start: Marker, end: Marker): number;
  /** Of all products from now on. Throws ERR_ARGUMENT where the device does not compute so. */
  setMatmulPrecision(precision: number): void;
}

/** A GPU. */
export interface Processor {
  name: string;
  /** Such as '9.0'. */
  computeCapability: string;
  memoryBytes: number;
  multiprocessors: number;
}

/** What a device library found on this machine. */
export interface LibraryDescription {
  processors: Processor[];
  /** Versions such as '13.0'; '' where there is none. */
  driver: string;
  runtime: string;
  matrixLibrary: string;
  /** Why no device can be opened; '' where one can. */
  reason: string;
}

/** How devices are opened (native/binding/devices.cc). */
export interface DevicesAddon {
  openCpuDevice(): DeviceAddon;
  /** The device on processor `index` of a library. Throws ERR_DEVICE_UNAVAILABLE. */
  openLibraryDevice(file: string, index: number): DeviceAddon;
  describeDeviceLibrary(file: string): LibraryDescription;
  /** Throws what is wrong with the products that a library could do without. */
  checkDeviceProducts(file: string, index: number): void;
}
