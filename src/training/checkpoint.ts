import { type HostTensor, readSafetensors, writeSafetensors } from '../io/safetensors';
import { checkTensor } from '../io/tensor_layout';
import { expected } from '../native/errors';

/** All that a training run goes on from. */
export interface TrainingCheckpoint {
  /** Steps done. */
  step: number;
  /** By published name. */
  parameters: Map<string, HostTensor>;
  /** What the optimizer's `getWeights` gives, in its order; variables have their published names. */
  optimizer: Map<string, HostTensor>;
  /** State of the sequence that draws the batches. */
  random: Int32Array;
  /** Loss of each step done; NaN for a step that was left out. */
  losses: Float32Array;
  /** Place in the data, where the run keeps one besides the random state. */
  cursor?: string;
  /** Whatever the training script keeps beside it. */
  metadata: Record<string, string>;
}

const format = 'fastweight training 1';
const parameterPrefix = 'parameter.';
const optimizerPrefix = 'optimizer.';
const randomName = 'random';
const lossesName = 'losses';

/**
 * Writes a checkpoint as one safetensors file, which appears under its name when it is whole.
 *
 * @throws FastWeightError ERR_CHECKPOINT where the file cannot be written.
 */
export function writeCheckpoint(path: string, checkpoint: TrainingCheckpoint): void {
  const { step, parameters, optimizer, random, losses, cursor, metadata } = checkpoint;
  const tensors = new Map<string, HostTensor>();
  for (const [name, tensor] of parameters) tensors.set(parameterPrefix + name, tensor);
  for (const [name, tensor] of optimizer) tensors.set(optimizerPrefix + name, tensor);
  tensors.set(randomName, { dtype: 'int32', shape: [random.length], data: random });
  tensors.set(lossesName, { dtype: 'float32', shape: [losses.length], data: losses });
  writeSafetensors(path, {
    tensors,
    metadata: {
      format,
      step: `${step}`,
      ...(cursor === undefined ? {} : { cursor }),
      ...prefixed('user.', metadata),
    },
  });
}

/**
 * Reads a checkpoint that `writeCheckpoint` wrote.
 *
 * @throws FastWeightError ERR_CHECKPOINT for a file that is truncated or is no such checkpoint.
 */
export function readCheckpoint(path: string): TrainingCheckpoint {
  const { tensors, metadata } = readSafetensors(path);
  if (metadata.format !== format) {
    throw expected('ERR_CHECKPOINT', `'${format}'`, `the format of ${path}`, `${metadata.format}`);
  }
  const step = Number(metadata.step);
  if (!Number.isSafeInteger(step) || step < 0) {
    throw expected('ERR_CHECKPOINT', 'a number of steps', `step of ${path}`, `${metadata.step}`);
  }
  const parameters = takePrefixed(tensors, parameterPrefix);
  const optimizer = takePrefixed(tensors, optimizerPrefix);
  const random = take(tensors, randomName, 'int32', 4) as Int32Array;
  const losses = take(tensors, lossesName, 'float32', step) as Float32Array;
  for (const name of tensors.keys()) {
    throw expected('ERR_CHECKPOINT', 'no further tensor', path, `'${name}'`);
  }
  const user = [...takePrefixed(new Map(Object.entries(metadata)), 'user.')];
  return {
    step,
    parameters,
    optimizer,
    random,
    losses,
    cursor: metadata.cursor,
    metadata: Object.fromEntries(user),
  };
}

function prefixed(prefix: string, values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, text]) => [prefix + name, text]));
}

/** Removes the entries whose names begin with `prefix` and returns them without it. */
function takePrefixed<T>(from: Map<string, T>, prefix: string): Map<string, T> {
  const taken = new Map<string, T>();
  for (const [name, value] of [...from]) {
    if (!name.startsWith(prefix)) continue;
    taken.set(name.slice(prefix.length), value);
    from.delete(name);
  }
  return taken;
}

/** Removes the vector `name` and returns its elements. */
function take(
  from: Map<string, HostTensor>,
  name: string,
  dtype: HostTensor['dtype'],
  length: number,
): HostTensor['data'] {
  const tensor = from.get(name);
  checkTensor(`'${name}'`, { dtype, shape: [length] }, tensor);
  from.delete(name);
  return (tensor as HostTensor).data;
}
