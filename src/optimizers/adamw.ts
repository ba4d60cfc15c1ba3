import * as tf from '@tensorflow/tfjs-core';

import {
  type AdamWOptions,
  type AdamWSettings,
  adamWSlots,
  adamWStep,
  resolveAdamW,
} from './adamw_step';
import { variableGradients } from './gradients';
import { checkNumber } from './settings';
import { checkSteps, type NamedTensor, Slots } from './slots';

export type { AdamWOptions } from './adamw_step';

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
 * 2019, algorithm 2), with bias-corrected moments; the decay is scaled by the learning rate:
 *
 *     m <- beta1 m + (1 - beta1) g            v <- beta2 v + (1 - beta2) g^2
 *     p <- p - rate (decay p + m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon))
 *
 * @throws FastWeightError ERR_RANGE for a negative or infinite number, or a beta of 1 or more;
 * ERR_ARGUMENT for an unknown `decayed`.
 */
export class AdamW extends tf.Optimizer {
  /** @nocollapse */
  static get className(): string {
    return 'AdamW';
  }

  private readonly settings: AdamWSettings;
  private readonly moments = new Slots(adamWSlots);

  constructor(options: AdamWOptions = {}) {
    super();
    this.settings = resolveAdamW(options);
  }

  get learningRate(): number {
    return this.settings.learningRate;
  }

  set learningRate(rate: number) {
    this.settings.learningRate = checkNumber('learningRate', rate);
  }

  /** What is kept of a variable, as `getWeights` names it behind the variable's name. */
  slotsOf(_variable: tf.Variable): readonly string[] {
    return adamWSlots;
  }

  /** One step on the variables named; a variable without a gradient stays as it is. */
  override applyGradients(gradients: tf.NamedTensorMap | NamedTensor[]): void {
    adamWStep(variableGradients(gradients), this.moments, this.settings, this.iterations + 1);
    this.incrementIterations();
  }

  /** The number of steps, then both moments of each variable as 'NAME/first' and 'NAME/second'. */
  override async getWeights(): Promise<NamedTensor[]> {
    return [await this.saveIterations(), ...this.moments.tensors()];
  }

  /**
   * Takes what `getWeights` gave, in its order; the tensors stay the caller's.
   *
   * @throws FastWeightError ERR_CHECKPOINT where the steps or a moment are missing, misnamed or of
   * another shape than the variable, before anything is changed.
   */
  override async setWeights(weights: NamedTensor[]): Promise<void> {
    checkSteps(weights);
    this.moments.check(weights.slice(1));
    this.moments.replace(await this.extractIterations(weights));
  }

  override dispose(): void {
    super.dispose();
    this.moments.dispose();
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...this.settings };
  }

  /** @nocollapse */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    return new cls(config);
  }
}

tf.serialization.registerClass(AdamW);
