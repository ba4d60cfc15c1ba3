import * as tf from '@tensorflow/tfjs-core';
import { FastWeightBackend } from '../backend/fastweight_backend';
import { muonStep as kernel, type MuonStepAttrs } from '../kernels/optimizers';
import { inputsOf } from '../kernels/optimizers/tensor_table';
import { flatSchedule, type NewtonSchulzSchedule } from '../ops/newton_schulz_schedule';
import { newtonSchulz } from '../reference/newton_schulz';
import type { VariableGradient } from './gradients';
import type { Slots } from './slots';
import { ownMemory } from './sole_owner';

/**
 * Factor of an orthogonalised update of [rows, columns]: 'aspect' is max(1, rows / columns)^0.5
 * (Jordan et al. 2024), 'rms' is 0.2 max(rows, columns)^0.5, which gives updates the size of Adam's
 * (Liu et al., "Muon is scalable for LLM training", 2025), 'none' is 1.
 */
export type MuonScaling = 'aspect' | 'rms' | 'none';

export interface MuonSettings {
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
  newtonSchulz: NewtonSchulzSchedule;
  scaling: MuonScaling;
}

/** What Muon keeps of a variable: the average of its gradients. */
export const muonSlots = ['momentum'] as const;

const scales: Record<MuonScaling, (rows: number, columns: number) => number> = {
  aspect: (rows, columns) => Math.sqrt(Math.max(1, rows / columns)),
  rms: (rows, columns) => 0.2 * Math.sqrt(Math.max(rows, columns)),
  none: () => 1,
};

export const muonScalings = Object.keys(scales) as MuonScaling[];

/**
 * A step of Muon on some variables, matrices [rows, columns] or batches of them [batch, rows,
 * columns]: one native call on a fastweight backend, tfjs operations elsewhere.
 *
 * @param averages slots named as `muonSlots`
 */
export function muonStep(
  gradients: readonly VariableGradient[],
  averages: Slots,
  settings: MuonSettings,
): void {
  if (gradients.length === 0) return;
  const { learningRate, momentum, nesterov, weightDecay, newtonSchulz } = settings;
  const attrs: MuonStepAttrs = {
    learningRate,
    momentum,
    nesterov,
    kept: 1 - learningRate * weightDecay,
    schedule: Float64Array.from(flatSchedule(newtonSchulz)),
    scales: gradients.map(({ variable: { shape } }) => {
      const [rows, columns] = shape.slice(-2);
      return scales[settings.scaling](rows, columns);
    }),
  };
  const backend = tf.backend();
  if (backend instanceof FastWeightBackend) {
    nativeStep(backend, gradients, averages, attrs);
  } else {
    gradients.forEach((each, at) => {
      plainStep(each, averages, settings, attrs.kept, attrs.scales[at]);
    });
  }
}

function nativeStep(
  backend: FastWeightBackend,
  gradients: readonly VariableGradient[],
  averages: Slots,
  attrs: MuonStepAttrs,
): void {
  const rows = gradients.map(({ variable, gradient }) => {
    const [average] = averages.of(variable);
    for (const changed of [variable, average]) ownMemory(backend, changed);
    return [variable, gradient, average];
  });
  tf.engine().runKernel(kernel, inputsOf(rows), attrs as unknown as tf.NamedAttrMap);
}

function plainStep(
  { variable, gradient }: VariableGradient,
  averages: Slots,
  { learningRate, momentum, nesterov, newtonSchulz: schedule }: MuonSettings,
  kept: number,
  scale: number,
): void {
  const [average] = averages.of(variable);
  tf.tidy(() => {
    const blend = (old: tf.Tensor) => tf.add(tf.mul(old, momentum), tf.mul(gradient, 1 - momentum));
    average.assign(blend(average));
    const direction = nesterov ? blend(average) : average;
    const { shape } = variable;
    const [rows, columns] = shape.slice(-2);
    const matrices = tf.reshape(direction, [-1, rows, columns]) as tf.Tensor3D;
    const update = tf.reshape(newtonSchulz(matrices, schedule), shape);
    variable.assign(tf.sub(tf.mul(variable, kept), tf.mul(update, learningRate * scale)));
  });
}
