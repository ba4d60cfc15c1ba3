import { backend, getBackend } from '@tensorflow/tfjs-core';
import { expected } from '../native/errors';
import { FastWeightBackend } from './fastweight_backend';

const storages = ['float32', 'bfloat16'] as const;

/** How the activations that a backward needs are stored. */
export type ActivationStorage = (typeof storages)[number];

let current: ActivationStorage = 'float32';

/** The storage set by {@link setActivationStorage}; 'float32' at the start. */
export function activationStorage(): ActivationStorage {
  return current;
}

/**
 * Lets layers on CUDA keep their activations rounded to bfloat16, in two bytes a value instead of
 * four. Their dtype stays float32, and so do weights, gradients, the residual stream, fast-weight
 * state and optimizers. The CPU stores float32 alone.
 *
 * @throws FastWeightError ERR_ARGUMENT, also for 'bfloat16' on a backend that does not store it
 */
export function setActivationStorage(storage: ActivationStorage): void {
  if (!storages.includes(storage)) {
    const names = storages.join(' or ');
    throw expected('ERR_ARGUMENT', names, 'storage', `'${String(storage)}'`);
  }
  if (storage === 'bfloat16' && !storesBfloat16()) {
    const remedy = 'Call it on a fastweight-cuda backend';
    const got = `'bfloat16' on '${getBackend()}'`;
    throw expected('ERR_ARGUMENT', "'float32'", 'storage', got, remedy);
  }
  current = storage;
}

/** Whether activations of the current backend are to be stored as bfloat16. */
export function keepsBfloat16(): boolean {
  return current === 'bfloat16' && storesBfloat16();
}

function storesBfloat16(): boolean {
  const active = backend();
  return active instanceof FastWeightBackend && active.addon.storesBfloat16;
}
