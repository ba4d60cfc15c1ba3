import * as tf from '@tensorflow/tfjs-core';
import { FastWeightBackend } from '../backend/fastweight_backend';
import { type AdamWStepAttrs, adamWStep as kernel } from '../kernels/optimizers';
import { inputsOf } from '../kernels/optimizers/tensor_table';
import type { VariableGradient } from './gradients';
import { checkChoice, checkNumber } from './settings';
import type { Slots } from './slots';
import { ownMemory } from './sole_owner';

export interface AdamWOptions {
  /** Step size; may be set anew before each step. Default 1e-3. */
  learningRate?: number;
  /** Share of the first moment that a step keeps. Default 0.9. */
  beta1?: number;
  /** Share of the second moment that a step keeps. Default 0.999. */
  beta2?: number;
  /** Added to the root of the second moment. Default 1e-8. */
  epsilon?: number;
  /** Share of a variable that a step of learning rate 1 takes away. Default 0.01. */
  weightDecay?: number;
  /** What decays: 'all' (default), or 'matrices', which leaves out norms' weights and biases. */
  decayed?: 'all' | 'matrices';
}

export type AdamWSettings = Required<AdamWOptions>;

/** What AdamW keeps of a variable. */
export const adamWSlots = ['first', 'second'] as const;

/** @throws FastWeightError ERR_RANGE for a negative or infinite number, or a beta of 1 or more. */
export function resolveAdamW(options: AdamWOptions): AdamWSettings {
  return {
    learningRate: checkNumber('learningRate', options.learningRate ?? 1e-3),
    beta1: checkNumber('beta1', options.beta1 ?? 0.9, 1),
    beta2: checkNumber('beta2', options.beta2 ?? 0.999, 1),
    epsilon: checkNumber('epsilon', options.epsilon ?? 1e-8),
    weightDecay: checkNumber('weightDecay', options.weightDecay ?? 0.01),
    decayed: checkChoice('decayed', options.decayed ?? 'all', ['all', 'matrices']),
  };
}

/**
 * Step `step` of AdamW, counted from 1, on some variables: one native call on a fastweight backend,
 * tfjs operations elsewhere.
 *
 * @param moments slots named as `adamWSlots`
 */
export function adamWStep(
  gradients: readonly VariableGradient[],
  moments: Slots,
  settings: AdamWSettings,
  step: number,
): void {
  const decays = ({ variable }: VariableGradient) =>
    settings.decayed === 'all' || variable.rank > 1;
  const { weightDecay } = settings;
  stepWith(gradients.filter(decays), moments, settings, step, weightDecay);
  stepWith(
    gradients.filter((each) => !decays(each)),
    moments,
    settings,
    step,
    0,
  );
}

/** A step on variables that all decay by `weightDecay`. */
function stepWith(
  gradients: readonly VariableGradient[],
  moments: Slots,
  { learningRate, beta1, beta2, epsilon }: AdamWSettings,
  step: number,
  weightDecay: number,
): void {
  if (gradients.length === 0) return;
  const attrs: AdamWStepAttrs = {
    beta1,
    beta2,
    epsilon,
    kept: 1 - learningRate * weightDecay,
    rate: learningRate / (1 - beta1 ** step),
    secondCorrection: 1 - beta2 ** step,
  };
  const backend = tf.backend();
  if (backend instanceof FastWeightBackend) {
    nativeStep(backend, gradients, moments, attrs);
  } else {
    for (const each of gradients) plainStep(each, moments, attrs);
  }
}

function nativeStep(
  backend: FastWeightBackend,
  gradients: readonly VariableGradient[],
  moments: Slots,
  attrs: AdamWStepAttrs,
): void {
  const rows = gradients.map(({ variable, gradient }) => {
    const [first, second] = moments.of(variable);
    for (const changed of [variable, first, second]) ownMemory(backend, changed);
    return [variable, gradient, first, second];
  });
  tf.engine().runKernel(kernel, inputsOf(rows), { ...attrs });
}

function plainStep(
  { variable, gradient }: VariableGradient,
  moments: Slots,
  { beta1, beta2, epsilon, kept, rate, secondCorrection }: AdamWStepAttrs,
): void {
  const [first, second] = moments.of(variable);
  tf.tidy(() => {
    first.assign(tf.add(tf.mul(first, beta1), tf.mul(gradient, 1 - beta1)));
    second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
    const root = tf.sqrt(tf.div(second, secondCorrection));
    const direction = tf.div(first, tf.add(root, epsilon));
    variable.assign(tf.sub(tf.mul(variable, kept), tf.mul(direction, rate)));
  });
}
