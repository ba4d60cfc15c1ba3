import * as tf from '@tensorflow/tfjs-core';
import {
  AdamW,
  type Comparison,
  compare,
  contract,
  describeComparison,
  holds,
  languageModel,
  languageModelLoss,
  namedVariables,
  Random,
  randomBatch,
  reference,
  resolveLanguageModelConfig,
} from 'fastweight';
import { CheckFailed } from '../common/command_line';
import type { Settings } from './settings';

/** A tensor on the host. */
interface Values {
  shape: number[];
  data: Float32Array;
}

type Named = Map<string, Values>;

interface Step {
  loss: Values;
  gradients: Named;
}

/** The plain TensorFlow.js backend that the reference runs on. */
const referenceBackend = 'cpu';

/**
 * Computes the loss and every gradient of one step on `backend` and, by the reference, in plain
 * TensorFlow.js; then one AdamW step on both from the same gradients, since its first step is
 * nearly the gradients' signs, which says nothing of elements near 0.
 *
 * @returns lines for people: the worst relative errors ||a - b|| / ||b|| beside the contract
 * @throws CheckFailed where a tolerance is exceeded, naming what is off
 */
export async function checkAgainstReference(
  settings: Settings,
  text: Uint8Array,
  backend: string,
): Promise<string[]> {
  const config = resolveLanguageModelConfig(settings.model);
  const model = languageModel(config, { seed: settings.seed });
  const variables = namedVariables(model);
  const before = hostValues(variables);
  const batch = () =>
    randomBatch(text, { batch: 1, tokens: settings.checkedTokens }, new Random(settings.seed));

  const native = step(variables, () => {
    const { ids, labels } = batch();
    return languageModelLoss(model, ids, labels);
  });
  const nativeAfter = adamWStep(before, native.gradients, settings);
  model.dispose();

  await tf.setBackend(referenceBackend);
  const copies = toVariables(before);
  const wanted = step(copies, () => {
    const { ids, labels } = batch();
    return reference.languageModelLoss(Object.fromEntries(copies), ids, labels, config);
  });
  const wantedAfter = adamWStep(before, native.gradients, settings);
  tf.dispose([...copies.values()]);
  await tf.setBackend(backend);

  const tolerance = config.useMuon ? contract.modelWithMuon : contract.model;
  const loss = compare('output', 'loss', native.loss, hostTensor(wanted.loss), tolerance.output);
  const gradients = compareAll(
    byLinearMap(native.gradients),
    byLinearMap(wanted.gradients),
    tolerance.gradient,
  );
  const updates = compareAll(nativeAfter, wantedAfter, contract.operation.output);
  const missing = [...before.keys()].filter((name) => !wanted.gradients.has(name));
  if (missing.length > 0) throw new CheckFailed(`No gradient reaches ${missing.join(', ')}`);
  const faults = [loss, ...gradients, ...updates].filter((comparison) => !holds(comparison));
  const messages = faults.map(describeComparison);
  const lines = [
    line('loss', loss),
    line(`worst of ${gradients.length} gradients`, worst(gradients)),
    line(`worst of ${updates.length} AdamW updates`, worst(updates)),
  ];
  if (config.useMuon) {
    const error = median(gradients.map((comparison) => comparison.error));
    const bound = contract.modelWithMuon.medianGradient;
    lines.splice(2, 0, line('median gradient', { name: '', error, tolerance: bound }));
    if (!(error <= bound)) messages.push(`median gradient error ${error} over ${bound}`);
  }
  if (messages.length > 0) {
    throw new CheckFailed(`The first step differs from the reference:\n${messages.join('\n')}`);
  }
  return lines;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function step(variables: Map<string, tf.Variable>, loss: () => tf.Scalar): Step {
  const gradients: Named = new Map();
  const value = tf.tidy(() => {
    const { value, grads } = tf.variableGrads(loss, [...variables.values()]);
    for (const [name, { name: variable }] of variables) {
      if (grads[variable]) gradients.set(name, hostValue(grads[variable]));
    }
    return value;
  });
  const found = { loss: hostValue(value), gradients };
  value.dispose();
  return found;
}

/** The parameters after one AdamW step on the current backend. */
function adamWStep(before: Named, gradients: Named, settings: Settings): Named {
  const variables = toVariables(before);
  const { peakRate: learningRate, weightDecay, beta2 } = settings;
  const optimizer = new AdamW({ learningRate, weightDecay, beta2 });
  tf.tidy(() => {
    const named = [...gradients].map(([name, { data, shape }]) => ({
      name: (variables.get(name) as tf.Variable).name,
      tensor: tf.tensor(data, shape),
    }));
    optimizer.applyGradients(named);
  });
  const after = hostValues(variables);
  optimizer.dispose();
  tf.dispose([...variables.values()]);
  return after;
}

function toVariables(values: Named): Map<string, tf.Variable> {
  const variable = ({ data, shape }: Values) =>
    tf.tidy(() => tf.variable(tf.tensor(data, shape)) as tf.Tensor) as tf.Variable;
  return new Map([...values].map(([name, value]) => [name, variable(value)]));
}

function hostValue(tensor: tf.Tensor): Values {
  return { shape: tensor.shape, data: tensor.dataSync() as Float32Array };
}

function hostValues(tensors: Map<string, tf.Tensor>): Named {
  return new Map([...tensors].map(([name, tensor]) => [name, hostValue(tensor)]));
}

const hostTensor = (values: Values) => ({ dtype: 'float32' as const, ...values });

/**
 * The values of each linear map's weight and bias as one vector. Muon's update does not change when
 * all step sizes of a matrix grow by one factor, so at the start the gradient of a step-size bias is
 * what rounding leaves of a sum that cancels; its error counts beside the terms of that sum.
 */
function byLinearMap(parameters: Named): Named {
  const groups = new Map<string, Float32Array[]>();
  for (const [name, { data }] of parameters) {
    const group = name.replace(/\.(weight|bias)$/, '');
    groups.set(group, [...(groups.get(group) ?? []), data]);
  }
  const joined = (parts: Float32Array[]) => Float32Array.from(parts.flatMap((part) => [...part]));
  return new Map(
    [...groups].map(([name, parts]) => {
      const data = joined(parts);
      return [name, { shape: [data.length], data }];
    }),
  );
}

function compareAll(actual: Named, wanted: Named, tolerance: number): Comparison[] {
  return [...wanted].map(([name, values]) =>
    compare('gradient', name, actual.get(name), hostTensor(values), tolerance),
  );
}

function worst(comparisons: Comparison[]): Comparison {
  return comparisons.reduce((a, b) => (b.error > a.error ? b : a));
}

function line(
  what: string,
  { name, error, tolerance }: Pick<Comparison, 'name' | 'error' | 'tolerance'>,
): string {
  const numbers = `${error.toExponential(1)} of ${tolerance.toExponential(1)}`;
  return `  ${what.padEnd(28)} ${numbers}  ${name}`.trimEnd();
}
