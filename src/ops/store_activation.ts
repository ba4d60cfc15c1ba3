import type { Tensor } from '@tensorflow/tfjs-core';
import { keepsBfloat16 } from '../backend/activation_storage';
import { storeActivation as storeActivationKernel } from '../kernels/store_activation';
import { runNativeKernel } from './native_kernel';
import { assertLive } from './validate';

/** How an operation's result is kept. */
export interface ResultOptions {
  /** Store it as {@link storeActivation} does, in the operation's own pass. Default false. */
  stored?: boolean;
}

/** Whether a result is to be stored as bfloat16. */
export function storesResult({ stored = false }: ResultOptions): boolean {
  return stored && keepsBfloat16();
}

/**
 * An activation as `setActivationStorage` says that it is kept: with 'bfloat16', on a backend that
 * stores it, x rounded to bfloat16 (to the nearest, ties to even) in two bytes a value; otherwise x
 * itself. The result's dtype is float32 and every op takes it; its gradient is that of the identity.
 * What a layer saves for its backward goes through here.
 *
 * @param x of any shape
 * @throws FastWeightError ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED, ERR_OUT_OF_MEMORY
 */
export function storeActivation<T extends Tensor>(x: T): T {
  assertLive('x', x);
  return keepsBfloat16() ? runNativeKernel(storeActivationKernel, { x }) : x;
}
