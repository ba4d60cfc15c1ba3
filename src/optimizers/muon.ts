import * as tf from '@tensorflow/tfjs-core';

import { expected } from '../native/errors';
import { flatSchedule, type NewtonSchulzSchedule } from '../ops/newton_schulz_schedule';
import { assertChoice } from '../ops/validate';
import {
  type AdamWOptions,
  type AdamWSettings,
  adamWSlots,
  adamWStep,
  resolveAdamW,
} from './adamw_step';
import { type VariableGradient, variableGradients } from './gradients';
import {
  type MuonScaling,
  type MuonSettings,
  muonScalings,
  muonSlots,
  muonStep,
} from './muon_step';
import { checkNumber } from './settings';
import { checkSteps, type NamedTensor, Slots } from './slots';

export type { MuonScaling } from './muon_step';

export interface MuonOptions {
  /** Step size of matrices; may be set anew before each step. Above 0. Default 0.02. */
  learningRate?: number;
  /** Share of the average of gradients that a step keeps. Default 0.95. */
  momentum?: number;
  /** Whether the gradient is blended in once more before orthogonalisation. Default true. */
  nesterov?: boolean;
  /** Share of a matrix that a step of learning rate 1 takes away. Default 0. */
  weightDecay?: number;
  /** Default 'keller5'. */
  newtonSchulz?: NewtonSchulzSchedule;
  /** Factor of the orthogonalised update. Default 'aspect', max(1, rows / columns)^0.5. */
  scaling?: MuonScaling;
  /**
   * Matrices that AdamW updates all the same: those whose variable's name contains one of these.
   * Default embeddings, output heads and per-feature scales of this package's models.
   */
  exclude?: readonly string[];
  /** AdamW of all that is not a matrix. Default betas 0.9 and 0.95, epsilon 1e-10, no decay. */
  adamW?: Omit<AdamWOptions, 'learningRate'>;
  /** Its learning rate as a multiple of `learningRate`. Default 0.015: 3e-4 beside 0.02. */
  adamWRate?: number;
}

const excludedByDefault = ['embed', 'lm_head', 'qk_scale', 'qk_offset'];

const adamWDefaults: AdamWOptions = { beta2: 0.95, epsilon: 1e-10, weightDecay: 0 };

/**
 * Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) for
 * matrices, AdamW for all else. With m the average of gradients:
 *
 *     m <- momentum m + (1 - momentum) g       d = momentum m + (1 - momentum) g, or m
 *     p <- p - rate (decay p + scale NewtonSchulz(d))
 *
 * A variable of rank 2 is a matrix [rows, columns], one of rank 3 a batch of them, such as fast
 * weights [heads, out, in].
 *
 * @throws FastWeightError ERR_RANGE for a negative or infinite number, or a momentum or beta of 1
 * or more; ERR_ARGUMENT for an unknown schedule or scaling.
 */
export class Muon extends tf.Optimizer {
  /** @nocollapse */
  static get className(): string {
    return 'Muon';
  }

  private readonly settings: MuonSettings;
  private readonly exclude: readonly string[];
  private readonly adamW: Omit<AdamWSettings, 'learningRate'>;
  private readonly adamWRate: number;
  private readonly averages = new Slots(muonSlots);
  private readonly moments = new Slots(adamWSlots);

  constructor(options: MuonOptions = {}) {
    super();
    this.settings = {
      learningRate: checkNumber('learningRate', options.learningRate ?? 0.02),
      momentum: checkNumber('momentum', options.momentum ?? 0.95, 1),
      nesterov: options.nesterov ?? true,
      weightDecay: checkNumber('weightDecay', options.weightDecay ?? 0),
      newtonSchulz: options.newtonSchulz ?? 'keller5',
      scaling: options.scaling ?? 'aspect',
    };
    flatSchedule(this.settings.newtonSchulz);
    assertChoice('scaling', this.settings.scaling, muonScalings);
    this.exclude = options.exclude ?? excludedByDefault;
    const { learningRate: _, ...adamW } = resolveAdamW({ ...adamWDefaults, ...options.adamW });
    this.adamW = adamW;
    this.adamWRate = checkNumber('adamWRate', options.adamWRate ?? 0.015);
  }

  get learningRate(): number {
    return this.settings.learningRate;
  }

  set learningRate(rate: number) {
    this.settings.learningRate = checkNumber('learningRate', rate);
  }

  /** What is kept of a variable, as `getWeights` names it behind the variable's name. */
  slotsOf(variable: tf.Variable): readonly string[] {
    return this.isMatrix(variable) ? muonSlots : adamWSlots;
  }

  /** Whether Muon itself updates a variable. */
  isMatrix({ name, shape, size }: tf.Variable): boolean {
    const isBatch = shape.length === 2 || shape.length === 3;
    return isBatch && size > 0 && !this.exclude.some((part) => name.includes(part));
  }

  /** One step on the variables named; a variable without a gradient stays as it is. */
  override applyGradients(gradients: tf.NamedTensorMap | NamedTensor[]): void {
    const all = variableGradients(gradients);
    const ofMatrix = ({ variable }: VariableGradient) => this.isMatrix(variable);
    muonStep(all.filter(ofMatrix), this.averages, this.settings);
    const others = all.filter((each) => !ofMatrix(each));
    const adamW = { ...this.adamW, learningRate: this.learningRate * this.adamWRate };
    adamWStep(others, this.moments, adamW, this.iterations + 1);
    this.incrementIterations();
  }

  /**
   * The number of steps, then the average of each matrix as 'NAME/momentum', then both moments of
   * each other variable as 'NAME/first' and 'NAME/second'.
   */
  override async getWeights(): Promise<NamedTensor[]> {
    return [await this.saveIterations(), ...this.averages.tensors(), ...this.moments.tensors()];
  }

  /**
   * Takes what `getWeights` gave, in its order; the tensors stay the caller's.
   *
   * @throws FastWeightError ERR_CHECKPOINT where the steps or a tensor are missing, misnamed, of
   * another shape than the variable, or kept by the other rule, before anything is changed.
   */
  override async setWeights(weights: NamedTensor[]): Promise<void> {
    checkSteps(weights);
    const slots = weights.slice(1);
    const averages = slots.filter((weight) => this.averages.owns(weight));
    const moments = slots.filter((weight) => !this.averages.owns(weight));
    this.averages.check(averages);
    this.moments.check(moments);
    for (const { name } of slots) this.checkRule(name);
    await this.extractIterations(weights);
    this.averages.replace(averages);
    this.moments.replace(moments);
  }

  private checkRule(weight: string): void {
    const end = weight.lastIndexOf('/');
    const variable = tf.engine().registeredVariables[weight.slice(0, end)];
    const wanted = this.slotsOf(variable);
    if (wanted.includes(weight.slice(end + 1))) return;
    const expectation = wanted.map((slot) => `'${variable.name}/${slot}'`).join(' and ');
    throw expected('ERR_CHECKPOINT', expectation, 'weights', `'${weight}'`);
  }

  override dispose(): void {
    super.dispose();
    this.averages.dispose();
    this.moments.dispose();
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { newtonSchulz, ...settings } = this.settings;
    const schedule =
      typeof newtonSchulz === 'string' ? newtonSchulz : newtonSchulz.map((triple) => [...triple]);
    return {
      ...settings,
      newtonSchulz: schedule,
      exclude: [...this.exclude],
      adamW: { ...this.adamW },
      adamWRate: this.adamWRate,
    };
  }

  /** @nocollapse */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    return new cls(config);
  }
}

tf.serialization.registerClass(Muon);
