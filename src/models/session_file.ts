import { createHash } from 'node:crypto';
import { type Tensor, type Tensor4D, tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type HostTensor, readSafetensors, writeSafetensors } from '../io/safetensors';
import { SequenceMemory } from '../layers/sequence_memory';
import { expected, FastWeightError } from '../native/errors';
import { FastWeightState } from '../ops/fast_weight_state';
import { hostTensorsOf, stateFromHost } from '../ops/fast_weight_state_file';
import { attentionOf } from './model_attention';
import { namedParameters } from './named_parameters';

const format = 'fastweight session 1';
const positionsName = 'positions';

/** Tells models apart: a digest of the attention's settings and of every parameter. */
async function fingerprint(model: LayersModel): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(attentionOf(model)));
  for (const [name, parameter] of namedParameters(model)) {
    const values = (await parameter.read().data()) as Float32Array;
    hash.update(`${name} [${parameter.shape}]`);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

/** Writes a session of `model`. Throws ERR_CHECKPOINT where the file cannot be written. */
export async function writeSession(
  model: LayersModel,
  memory: SequenceMemory,
  file: string,
): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  const positions = Int32Array.from(memory.positions);
  tensors.set(positionsName, { dtype: 'int32', shape: [positions.length], data: positions });
  const metadata: Record<string, string> = { format, model: await fingerprint(model) };
  for (const [layer, { keys, state }] of memory.entries) {
    for (const [name, value] of Object.entries(keys ?? {}) as [string, Tensor][]) {
      const data = await value.data<'float32'>();
      tensors.set(`${layer}/${name}`, { dtype: 'float32', shape: value.shape, data });
    }
    if (state === undefined) continue;
    const { weights, momenta, norms, weightNorm, pending } = state;
    const mainWeights = state.mainWeights === weights ? undefined : state.mainWeights;
    const parts = { weights, mainWeights, momenta, norms, pending };
    for (const [name, value] of await hostTensorsOf(parts)) {
      tensors.set(`${layer}/state.${name}`, value);
    }
    if (weightNorm !== undefined) metadata[`${layer}/weightNorm`] = weightNorm;
  }
  writeSafetensors(file, { tensors, metadata });
}

/**
 * The memory of a session of `model`, its tensors out of every tidy.
 *
 * @throws FastWeightError ERR_CHECKPOINT
 */
export async function readSession(model: LayersModel, file: string): Promise<SequenceMemory> {
  const { tensors, metadata } = readSafetensors(file);
  if (metadata.format !== format) {
    throw expected('ERR_CHECKPOINT', `'${format}'`, `the format of ${file}`, `${metadata.format}`);
  }
  if (metadata.model !== (await fingerprint(model))) {
    const expectation = 'a session of this model with these parameters';
    throw expected('ERR_CHECKPOINT', expectation, file, 'one of another');
  }
  const positions = tensors.get(positionsName);
  if (positions === undefined) {
    throw expected('ERR_CHECKPOINT', `a tensor '${positionsName}'`, file, 'none');
  }
  const memory = new SequenceMemory([...positions.data]);
  try {
    for (const [layer, own] of byLayer(tensors)) fill(memory, layer, own, metadata);
  } catch (error) {
    memory.dispose();
    if (!(error instanceof FastWeightError)) throw error;
    throw expected('ERR_CHECKPOINT', 'a session', file, error.message);
  }
  return memory;
}

/** The tensors of each layer, by their names in it. */
function byLayer(tensors: ReadonlyMap<string, HostTensor>): Map<string, Map<string, HostTensor>> {
  const layers = new Map<string, Map<string, HostTensor>>();
  for (const [name, value] of tensors) {
    const [layer, own] = name.split('/');
    if (own === undefined) continue;
    const known = layers.get(layer) ?? new Map<string, HostTensor>();
    layers.set(layer, known.set(own, value));
  }
  return layers;
}

function fill(
  memory: SequenceMemory,
  layer: string,
  own: ReadonlyMap<string, HostTensor>,
  metadata: Record<string, string>,
): void {
  const [k, v] = ['k', 'v'].map((name) => {
    const value = own.get(name);
    return value && (tensor(value.data, value.shape as [number], value.dtype) as Tensor);
  });
  if (k && v) memory.rememberKeys(layer, { k: k as Tensor4D, v: v as Tensor4D });
  const prefix = 'state.';
  const state = new Map(
    [...own].flatMap(([name, value]): [string, HostTensor][] =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  );
  if (state.size === 0) return;
  const weightNorm = metadata[`${layer}/weightNorm`] as FastWeightState['weightNorm'];
  memory.of(layer).state = FastWeightState.restore(stateFromHost(state, weightNorm));
}
