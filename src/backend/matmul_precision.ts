import { type DeviceAddon, matmulPrecisions } from '../native/device_addon';
import { expected } from '../native/errors';

/** What float32 matrix products may round their inputs to. */
export type MatmulPrecision = keyof typeof matmulPrecisions;

const devices = new Set<DeviceAddon>();
let current: MatmulPrecision = 'float32';

/** The precision set by {@link setMatmulPrecision}; 'float32' at the start. */
export function matmulPrecision(): MatmulPrecision {
  return current;
}

/**
 * Lets matrix products on CUDA round their inputs: `tf32` keeps 10 bits of the mantissa, `bfloat16`
 * 7; both are several times faster than `float32`. Sums, fast-weight state and optimizers stay
 * float32, and so do all tensors, camera rays and SSIM. The CPU computes in float32 always.
 *
 * @throws FastWeightError ERR_ARGUMENT
 */
export function setMatmulPrecision(precision: MatmulPrecision): void {
  if (typeof precision !== 'string' || !Object.hasOwn(matmulPrecisions, precision)) {
    const names = Object.keys(matmulPrecisions).join(', ');
    throw expected('ERR_ARGUMENT', `one of ${names}`, 'precision', `'${String(precision)}'`);
  }
  current = precision;
  for (const device of devices) device.setMatmulPrecision(matmulPrecisions[current]);
}

/** Runs `body` with float32 products, for steps that no rounding may reach, such as geometry. */
export function withFloat32Products<Result>(body: () => Result): Result {
  if (current === 'float32') return body();
  const before = current;
  setMatmulPrecision('float32');
  try {
    return body();
  } finally {
    setMatmulPrecision(before);
  }
}

/** Makes a device that was just opened compute as the others do, from now on. */
export function applyMatmulPrecision(device: DeviceAddon): void {
  device.setMatmulPrecision(matmulPrecisions[current]);
  devices.add(device);
}
