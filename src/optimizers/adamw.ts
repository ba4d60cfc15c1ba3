import * as tf from '@tensorflow/tfjs-core';

import { expected } from '../native/errors';

type NamedTensor = Awaited<ReturnType<tf.Optimizer['getWeights']>>[number];

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
}

/** Both moments of one variable, of its shape. */
interface Moments {
  first: tf.Variable;
  second: tf.Variable;
}

const slots = ['first', 'second'] as const;

/** A number in [0, end). */
function checkNumber(name: string, value: number, end: number): number {
  if (value >= 0 && value < end) return value;
  const range = end === Infinity ? 'a finite number of at least 0' : `a number in [0, ${end})`;
  throw expected('ERR_RANGE', range, name, `${value}`);
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
 * 2019, algorithm 2), with bias-corrected moments; the decay is scaled by the learning rate:
 *
 *     m <- beta1 m + (1 - beta1) g            v <- beta2 v + (1 - beta2) g^2
 *     p <- p - rate (decay p + m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon))
 *
 * @throws FastWeightError ERR_RANGE for a negative or infinite number, or a beta of 1 or more.
 */
export class AdamW extends tf.Optimizer {
  /** @nocollapse */
  static get className(): string {
    return 'AdamW';
  }

  private rate: number;
  private readonly beta1: number;
  private readonly beta2: number;
  private readonly epsilon: number;
  private readonly weightDecay: number;
  /** By variable name, in the order in which the variables first had a gradient. */
  private readonly moments = new Map<string, Moments>();

  constructor(options: AdamWOptions = {}) {
    super();
    this.rate = checkNumber('learningRate', options.learningRate ?? 1e-3, Infinity);
    this.beta1 = checkNumber('beta1', options.beta1 ?? 0.9, 1);
    this.beta2 = checkNumber('beta2', options.beta2 ?? 0.999, 1);
    this.epsilon = checkNumber('epsilon', options.epsilon ?? 1e-8, Infinity);
    this.weightDecay = checkNumber('weightDecay', options.weightDecay ?? 0.01, Infinity);
  }

  get learningRate(): number {
    return this.rate;
  }

  set learningRate(rate: number) {
    this.rate = checkNumber('learningRate', rate, Infinity);
  }

  /** One step on the variables named; a variable without a gradient stays as it is. */
  override applyGradients(gradients: tf.NamedTensorMap | NamedTensor[]): void {
    const named = Array.isArray(gradients)
      ? gradients
      : Object.entries(gradients).map(([name, tensor]) => ({ name, tensor }));
    const step = this.iterations + 1;
    const corrections = { first: 1 - this.beta1 ** step, second: 1 - this.beta2 ** step };
    for (const { name, tensor } of named) {
      if (tensor) this.update(tf.engine().registeredVariables[name], tensor, corrections);
    }
    this.incrementIterations();
  }

  private update(
    variable: tf.Variable,
    gradient: tf.Tensor,
    corrections: { first: number; second: number },
  ): void {
    const { first, second } = this.momentsOf(variable);
    tf.tidy(() => {
      const { beta1, beta2 } = this;
      first.assign(tf.add(tf.mul(first, beta1), tf.mul(gradient, 1 - beta1)));
      second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
      const root = tf.sqrt(tf.div(second, corrections.second));
      const direction = tf.div(first, tf.add(root, this.epsilon));
      const kept = tf.mul(variable, 1 - this.rate * this.weightDecay);
      variable.assign(tf.sub(kept, tf.mul(direction, this.rate / corrections.first)));
    });
  }

  private momentsOf(variable: tf.Variable): Moments {
    const known = this.moments.get(variable.name);
    if (known) return known;
    const zeros = () => tf.tidy(() => tf.variable(tf.zerosLike(variable), false));
    const moments = { first: zeros(), second: zeros() };
    this.moments.set(variable.name, moments);
    return moments;
  }

  /** The number of steps, then both moments of each variable as 'NAME/first' and 'NAME/second'. */
  override async getWeights(): Promise<NamedTensor[]> {
    const moments = [...this.moments].flatMap(([name, of]) =>
      slots.map((slot) => ({ name: `${name}/${slot}`, tensor: of[slot] as tf.Tensor })),
    );
    return [await this.saveIterations(), ...moments];
  }

  /**
   * Takes what `getWeights` gave, in its order; the tensors stay the caller's.
   *
   * @throws FastWeightError ERR_CHECKPOINT where the steps or a moment are missing, misnamed or of
   * another shape than the variable, before anything is changed.
   */
  override async setWeights(weights: NamedTensor[]): Promise<void> {
    const named = pairsOf(weights.slice(1));
    checkSteps(weights.at(0), named.length);
    const moments = await this.extractIterations(weights);
    this.disposeMoments();
    named.forEach((name, at) => {
      const [first, second] = moments
        .slice(2 * at, 2 * at + 2)
        .map(({ tensor }) => tf.variable(tensor, false));
      this.moments.set(name, { first, second });
    });
  }

  override dispose(): void {
    super.dispose();
    this.disposeMoments();
  }

  private disposeMoments(): void {
    for (const { first, second } of this.moments.values()) tf.dispose([first, second]);
    this.moments.clear();
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { rate: learningRate, beta1, beta2, epsilon, weightDecay } = this;
    return { learningRate, beta1, beta2, epsilon, weightDecay };
  }

  /** @nocollapse */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    return new cls(config);
  }
}

/** Moments there are as soon as there were steps. */
function checkSteps(steps: NamedTensor | undefined, variables: number): void {
  const expectation = "the number of steps as int32 scalar 'iter', then the moments";
  const got = steps ? `'${steps.name}' ${steps.tensor.dtype} [${steps.tensor.shape}]` : 'none';
  if (got !== "'iter' int32 []") throw expected('ERR_CHECKPOINT', expectation, 'weights', got);
  const done = (steps as NamedTensor).tensor.dataSync()[0];
  if (done < 0 || (done > 0 && variables === 0)) {
    const found = `${done} steps and ${variables} moments`;
    throw expected('ERR_CHECKPOINT', expectation, 'weights', found);
  }
}

/** The variables whose moments these are, two tensors each. */
function pairsOf(moments: NamedTensor[]): string[] {
  const names: string[] = [];
  for (let at = 0; at < moments.length; at += 2) {
    const [first, second] = moments.slice(at, at + 2);
    const name = first.name.replace(/\/first$/, '');
    if (first.name !== `${name}/first` || second?.name !== `${name}/second`) {
      const got = `'${first.name}' and '${second?.name}'`;
      throw expected('ERR_CHECKPOINT', 'NAME/first and NAME/second', 'the moments', got);
    }
    for (const { name: moment, tensor } of [first, second]) checkMoment(name, moment, tensor);
    names.push(name);
  }
  return names;
}

function checkMoment(name: string, moment: string, { shape, dtype }: tf.Tensor): void {
  const variable = tf.engine().registeredVariables[name];
  const wanted = variable ? `float32 [${variable.shape}]` : 'a variable of that name';
  const got = variable ? `${dtype} [${shape}]` : 'none';
  if (wanted !== got) throw expected('ERR_CHECKPOINT', wanted, `moment '${moment}'`, got);
}

tf.serialization.registerClass(AdamW);
