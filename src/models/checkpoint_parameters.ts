import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type HostTensor, readSafetensors, writeSafetensors } from '../io/safetensors';
import { checkTensors, type TensorLayout } from '../io/tensor_layout';
import { expected, FastWeightError } from '../native/errors';
import { namedParameters } from './named_parameters';

/** Prefix that published checkpoints put before every name but the head's. */
const publishedPrefix = 'model.';

/** Throws ERR_CHECKPOINT unless `values` are the model's parameters: all, no others, and as shaped. */
function assertParameters(model: LayersModel, values: ReadonlyMap<string, TensorLayout>): void {
  const wanted = new Map<string, TensorLayout>();
  for (const [name, { shape }] of namedParameters(model)) {
    wanted.set(name, { dtype: 'float32', shape: shape as number[] });
  }
  checkTensors('parameter', wanted, values);
}

/**
 * Copies tensors into the model's parameters by their published names. Nothing changes when one of
 * them is wrong.
 *
 * @throws FastWeightError ERR_CHECKPOINT for a missing or unknown name, a wrong shape or dtype
 */
export function writeParameters(
  model: LayersModel,
  values: Readonly<Record<string, Tensor>>,
): void {
  assertParameters(model, new Map(Object.entries(values)));
  for (const [name, parameter] of namedParameters(model)) parameter.write(values[name]);
}

/**
 * Loads parameters by their published names from a safetensors file, such as a published
 * checkpoint: a leading 'model.' is dropped, half precision becomes float32.
 *
 * @throws FastWeightError ERR_CHECKPOINT for a file that is truncated or not safetensors, a missing
 * or unknown name, a wrong shape or dtype; the model is then as it was
 */
export function loadParameters(model: LayersModel, file: string): void {
  const { tensors } = readSafetensors(file);
  const named = new Map<string, HostTensor>();
  for (const [name, value] of tensors) {
    const plain = name.startsWith(publishedPrefix) ? name.slice(publishedPrefix.length) : name;
    if (named.has(plain)) {
      throw expected('ERR_CHECKPOINT', 'each parameter once', file, `${plain} twice`);
    }
    named.set(plain, value);
  }
  try {
    assertParameters(model, named);
  } catch (error) {
    if (!(error instanceof FastWeightError)) throw error;
    throw new FastWeightError(error.code, `${error.message}, in ${file}`);
  }
  for (const [name, parameter] of namedParameters(model)) {
    const { data, shape } = named.get(name) as HostTensor;
    const value = tensor(data, shape, 'float32');
    parameter.write(value);
    value.dispose();
  }
}

/** Saves the model's parameters under their published names as a safetensors file. */
export async function saveParameters(model: LayersModel, file: string): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, parameter] of namedParameters(model)) {
    const value = parameter.read();
    const data = await value.data<'float32'>();
    tensors.set(name, { dtype: 'float32', shape: value.shape, data });
  }
  writeSafetensors(file, { tensors, metadata: {} });
}
