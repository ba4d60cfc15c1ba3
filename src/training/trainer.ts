import * as tf from '@tensorflow/tfjs-core';

import { Random } from '../data/random';
import type { HostTensor } from '../io/safetensors';
import { checkTensors, type TensorLayout } from '../io/tensor_layout';
import { expected } from '../native/errors';
import type { TrainingCheckpoint } from './checkpoint';
import { clipByGlobalNorm, globalNorm } from './clip_gradients';
import {
  type LossFunction,
  lossGradients,
  type NamedGradient,
  type TensorBatch,
} from './loss_gradients';
import type { Schedule } from './schedule';

/** An optimizer whose learning rate is set before each step, such as AdamW and Muon. */
export type ScheduledOptimizer = tf.Optimizer & {
  learningRate: number;
  /** What it keeps of a variable, as `getWeights` names it behind the variable's name. */
  slotsOf(variable: tf.Variable): readonly string[];
};

/** A place in the data that a checkpoint keeps, such as how far an epoch has come. */
export interface DataCursor {
  /** The place as text. */
  save(): string;
  /** Goes to a place that `save` gave; throws for one that is none, before anything changes. */
  restore(place: string): void;
}

export interface TrainerOptions<Batch extends TensorBatch<Batch>> {
  /** What is trained, by published name. */
  parameters: ReadonlyMap<string, tf.Variable>;
  loss: LossFunction<Batch>;
  /** A new batch, drawn with the given sequence; the trainer disposes its tensors. */
  nextBatch: (random: Random) => Batch;
  optimizer: ScheduledOptimizer;
  schedule: Schedule;
  random: Random;
  /** Where `nextBatch` reads, if that is more than the random sequence tells. */
  cursor?: DataCursor;
  /** Batches whose gradients a step averages, one at a time in memory. Default 1. */
  batchesPerStep?: number;
  /** Gradients are scaled down to this global norm; default: as they are. */
  maxGradientNorm?: number;
  /** What to do with a step whose loss or gradient is not finite. Default 'error'. */
  nonFinite?: 'error' | 'skip';
}

export interface StepReport {
  /** The step's number; the first is 0. */
  step: number;
  /** Mean loss of the step's batches before the update. */
  loss: number;
  /** Global norm of the gradients before clipping. */
  gradientNorm: number;
  learningRate: number;
  /** Whether the parameters were left as they were, since the loss or gradient was not finite. */
  skipped: boolean;
}

/**
 * A training run: parameters, optimizer, schedule and the sequence that draws the batches, which are
 * any tensors by name that the loss takes.
 */
export class Trainer<Batch extends TensorBatch<Batch>> {
  /** May be set anew between steps. */
  schedule: Schedule;
  /** Loss of each step done. */
  private readonly lossHistory: number[] = [];

  /** @throws FastWeightError ERR_ARGUMENT without parameters, ERR_RANGE for no batches a step. */
  constructor(private readonly options: TrainerOptions<Batch>) {
    const { parameters, batchesPerStep = 1 } = options;
    this.schedule = options.schedule;
    if (parameters.size === 0) {
      throw expected('ERR_ARGUMENT', 'at least one', 'parameters', 'none');
    }
    if (!Number.isSafeInteger(batchesPerStep) || batchesPerStep < 1) {
      const got = `${batchesPerStep}`;
      throw expected('ERR_RANGE', 'an integer of at least 1', 'batchesPerStep', got);
    }
  }

  /** Steps done, those skipped included. */
  get stepsDone(): number {
    return this.lossHistory.length;
  }

  /** Steps left out because their loss or gradient was not finite. */
  get stepsSkipped(): number {
    return this.lossHistory.filter(Number.isNaN).length;
  }

  /** Loss of each step done; NaN for a step that was skipped. */
  get losses(): readonly number[] {
    return this.lossHistory;
  }

  /**
   * One step: draws its batches and updates the parameters by the gradient of their mean loss.
   *
   * @throws FastWeightError ERR_NON_FINITE for a loss or gradient that is not finite, with the
   * parameters and the optimizer as they were, unless such steps are to be skipped.
   */
  step(): StepReport {
    const { optimizer } = this.options;
    const step = this.stepsDone;
    const learningRate = this.schedule(step);
    return tf.tidy(() => {
      const { loss, gradients } = this.gradients();
      const norm = globalNorm(gradients.map(({ tensor }) => tensor));
      const [gradientNorm] = norm.dataSync();
      const skipped = !(Number.isFinite(loss) && Number.isFinite(gradientNorm));
      if (skipped) {
        this.refuseUnlessSkipping(step, loss, gradientNorm);
      } else {
        optimizer.learningRate = learningRate;
        optimizer.applyGradients(this.clipped(gradients, gradientNorm));
      }
      this.lossHistory.push(skipped ? Number.NaN : loss);
      return { step, loss, gradientNorm, learningRate, skipped };
    });
  }

  private gradients() {
    const { parameters, loss, nextBatch, random, batchesPerStep = 1 } = this.options;
    return lossGradients(loss, () => nextBatch(random), batchesPerStep, [...parameters.values()]);
  }

  private clipped(gradients: NamedGradient[], norm: number): NamedGradient[] {
    const { maxGradientNorm } = this.options;
    if (maxGradientNorm === undefined) return gradients;
    const tensors = gradients.map(({ tensor }) => tensor);
    const scaled = clipByGlobalNorm(tensors, norm, maxGradientNorm);
    return gradients.map(({ name }, at) => ({ name, tensor: scaled[at] }));
  }

  private refuseUnlessSkipping(step: number, loss: number, norm: number): void {
    if (this.options.nonFinite === 'skip') return;
    const got = `loss ${loss}, gradient norm ${norm}`;
    throw expected('ERR_NON_FINITE', 'finite numbers', `step ${step}`, got);
  }

  /** The run as it stands; `restore` of a trainer made with the same options goes on from it. */
  async checkpoint(metadata: Record<string, string> = {}): Promise<TrainingCheckpoint> {
    const { parameters, optimizer, random, cursor } = this.options;
    const weights = await optimizer.getWeights();
    const checkpoint = {
      step: this.stepsDone,
      parameters: new Map([...parameters].map(([name, variable]) => [name, hostTensor(variable)])),
      optimizer: new Map(
        weights.map(({ name, tensor }) => [this.toPublished(name), hostTensor(tensor)]),
      ),
      random: random.save(),
      losses: Float32Array.from(this.lossHistory),
      cursor: cursor?.save(),
      metadata,
    };
    // The tensor that counts the steps is made for the caller; the moments are the optimizer's.
    weights[0].tensor.dispose();
    return checkpoint;
  }

  /**
   * Goes on from a checkpoint.
   *
   * @throws FastWeightError ERR_CHECKPOINT for a name, shape or dtype that is not this model's or
   * optimizer's, or a cursor where this run has none or the other way round; what the cursor itself
   * throws passes through. Nothing is changed then.
   */
  async restore(checkpoint: TrainingCheckpoint): Promise<void> {
    const { parameters, optimizer, random, cursor } = this.options;
    checkTensors('parameter', parameters, checkpoint.parameters);
    checkTensors('optimizer weight', this.optimizerLayout(checkpoint), checkpoint.optimizer);
    if (!Random.isState(checkpoint.random)) {
      const got = `[${checkpoint.random.join(', ')}]`;
      throw expected('ERR_CHECKPOINT', 'four words, not all 0', 'the random state', got);
    }
    if ((cursor === undefined) !== (checkpoint.cursor === undefined)) {
      const [wanted, got] = cursor ? ['a cursor', 'none'] : ['no cursor', 'one'];
      throw expected('ERR_CHECKPOINT', wanted, 'the place in the data', got);
    }
    if (checkpoint.cursor !== undefined) cursor?.restore(checkpoint.cursor);
    const weights = [...checkpoint.optimizer].map(([name, { data, shape, dtype }]) => ({
      name: this.fromPublished(name),
      tensor: tf.tensor(data, shape, dtype),
    }));
    try {
      await optimizer.setWeights(weights);
    } finally {
      tf.dispose(weights.map(({ tensor }) => tensor));
    }
    for (const [name, variable] of parameters) {
      const { data, shape, dtype } = checkpoint.parameters.get(name) as HostTensor;
      tf.tidy(() => variable.assign(tf.tensor(data, shape, dtype)));
    }
    random.restore(checkpoint.random);
    this.lossHistory.splice(0, Infinity, ...checkpoint.losses);
  }

  /** Before the first step there are no slots; from then on each parameter has all of its own. */
  private optimizerLayout({ optimizer }: TrainingCheckpoint): Map<string, TensorLayout> {
    const layout = new Map<string, TensorLayout>([['iter', { dtype: 'int32', shape: [] }]]);
    if (optimizer.size <= 1) return layout;
    for (const [name, variable] of this.options.parameters) {
      for (const slot of this.options.optimizer.slotsOf(variable)) {
        layout.set(`${name}/${slot}`, variable);
      }
    }
    return layout;
  }

  /** An optimizer's 'VARIABLE/slot' with the variable's published name instead of tfjs's. */
  private toPublished(weight: string): string {
    return this.renamed(weight, ([published, { name }]) => [name, published]);
  }

  private fromPublished(weight: string): string {
    return this.renamed(weight, ([published, { name }]) => [published, name]);
  }

  private renamed(
    weight: string,
    names: (entry: [string, tf.Variable]) => [from: string, to: string],
  ): string {
    const end = weight.lastIndexOf('/');
    if (end < 0) return weight;
    const found = [...this.options.parameters]
      .map(names)
      .find(([from]) => from === weight.slice(0, end));
    return found ? found[1] + weight.slice(end) : weight;
  }
}

function hostTensor(tensor: tf.Tensor): HostTensor {
  const { dtype, shape } = tensor;
  return { dtype, shape, data: tensor.dataSync() } as HostTensor;
}
