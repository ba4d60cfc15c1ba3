import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type HostTensor, readSafetensors, writeSafetensors } from '../io/safetensors';
import { expected, FastWeightError } from '../native/errors';
import { namedParameters } from './named_parameters';

/** Prefix that published checkpoints put before every name but the head's. */
const publishedPrefix = 'model.';

type Shaped = Pick<Tensor, 'shape' | 'dtype'>;

/** Throws ERR_CHECKPOINT unless `values` are the model's parameters: all, no others, and as shaped. */
function assertParameters(model: LayersModel, values: Readonly<Record<string, Shaped>>): void {
  const parameters = namedParameters(model);
  for (const name of Object.keys(values)) {
    if (!parameters.has(name)) {
      throw expected('ERR_CHECKPOINT', "a name of the model's parameters", 'parameter', name);
    }
  }
  for (const [name, { shape }] of parameters) {
    if (!Object.hasOwn(values, name)) {
      throw expected('ERR_CHECKPOINT', 'a tensor', `parameter ${name}`, 'none');
    }
    const value = values[name];
    if (value.dtype !== 'float32') {
      throw expected('ERR_CHECKPOINT', 'float32', `parameter ${name}`, value.dtype);
    }
    if (String(value.shape) !== String(shape)) {
      const got = `shape [${value.shape.join(', ')}]`;
      throw expected('ERR_CHECKPOINT', `shape [${shape.join(', ')}]`, `parameter ${name}`, got);
    }
  }
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
  assertParameters(model, values);
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
  const named: Record<string, HostTensor> = {};
  for (const [name, value] of tensors) {
    const plain = name.startsWith(publishedPrefix) ? name.slice(publishedPrefix.length) : name;
    if (Object.hasOwn(named, plain)) {
      throw expected('ERR_CHECKPOINT', 'each parameter once', file, `${plain} twice`);
    }
    named[plain] = value;
  }
  try {
    assertParameters(model, named);
  } catch (error) {
    if (!(error instanceof FastWeightError)) throw error;
    throw new FastWeightError(error.code, `${error.message}, in ${file}`);
  }
  for (const [name, parameter] of namedParameters(model)) {
    const { data, shape } = named[name];
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
