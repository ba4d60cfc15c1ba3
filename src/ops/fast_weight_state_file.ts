import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { type HostTensor, readSafetensors, writeSafetensors } from '../io/safetensors';
import { expected } from '../native/errors';
import type { FastWeightNorms, FastWeightStateParts, FastWeights } from './fast_weight_state';

const format = 'fastweight state 1';
const sets = ['weights', 'mainWeights', 'momenta', 'norms'] as const;
const tokenNames = ['k', 'v', 'rates', 'momentum'] as const;
const countsName = 'pending.counts';

/** A state's tensors on the host, by names such as 'weights.w0'. */
export async function hostTensorsOf(parts: FastWeightStateParts): Promise<Map<string, HostTensor>> {
  const tensors = new Map<string, HostTensor>();
  const add = async (name: string, value: Tensor) => {
    const data = await value.data<'float32'>();
    tensors.set(name, { dtype: 'float32', shape: value.shape, data });
  };
  for (const set of sets) {
    const members = Object.entries(parts[set] ?? {}) as [string, Tensor][];
    for (const [name, value] of members) await add(`${set}.${name}`, value);
  }
  const { pending } = parts;
  if (pending === undefined) return tensors;
  for (const name of tokenNames) {
    const value = pending[name];
    if (value !== undefined) await add(`pending.${name}`, value);
  }
  const counts = Int32Array.from(pending.counts);
  return tensors.set(countsName, { dtype: 'int32', shape: [counts.length], data: counts });
}

/**
 * The state that host tensors hold; its tensors are new. Names and shapes are the state's own
 * constructor's to check.
 */
export function stateFromHost(
  tensors: ReadonlyMap<string, HostTensor>,
  weightNorm: FastWeightStateParts['weightNorm'],
): FastWeightStateParts {
  const made = (name: string) => {
    const value = tensors.get(name);
    return value && tensor(value.data, value.shape, value.dtype);
  };
  const setOf = (set: string) => {
    if (!tensors.has(`${set}.w0`)) return undefined;
    return { w0: made(`${set}.w0`), w1: made(`${set}.w1`), w2: made(`${set}.w2`) };
  };
  const counts = tensors.get(countsName);
  const [k, v, rates, momentum] = tokenNames.map((name) => made(`pending.${name}`));
  const parts = {
    weights: setOf('weights') as unknown as FastWeights,
    mainWeights: setOf('mainWeights') as unknown as FastWeights | undefined,
    momenta: setOf('momenta') as unknown as FastWeights | undefined,
    norms: setOf('norms') as unknown as FastWeightNorms | undefined,
    weightNorm,
    pending: counts && { counts: [...counts.data], k, v, rates, momentum },
  };
  return parts as FastWeightStateParts;
}

/** Writes a state as a safetensors file, which appears under its name when it is whole. */
export async function writeState(file: string, parts: FastWeightStateParts): Promise<void> {
  const tensors = await hostTensorsOf(parts);
  const { weightNorm } = parts;
  const metadata: Record<string, string> = weightNorm ? { format, weightNorm } : { format };
  writeSafetensors(file, { tensors, metadata });
}

/** Reads what `writeState` wrote. Throws ERR_CHECKPOINT for a file of another kind. */
export function readState(file: string): FastWeightStateParts {
  const { tensors, metadata } = readSafetensors(file);
  if (metadata.format !== format) {
    throw expected('ERR_CHECKPOINT', `'${format}'`, `the format of ${file}`, `${metadata.format}`);
  }
  if (!tensors.has('weights.w0')) {
    throw expected('ERR_CHECKPOINT', "a tensor 'weights.w0'", file, 'none');
  }
  return stateFromHost(tensors, weightNormOf(metadata.weightNorm, file));
}

function weightNormOf(text: string | undefined, file: string): FastWeightStateParts['weightNorm'] {
  if (text === undefined || text === 'post' || text === 'pre' || text === 'none') return text;
  throw expected('ERR_CHECKPOINT', "'post', 'pre' or 'none'", `weightNorm of ${file}`, text);
}
