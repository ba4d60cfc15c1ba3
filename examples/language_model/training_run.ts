import type { LayersModel } from '@tensorflow/tfjs-layers';
import {
  AdamW,
  type LossFunction,
  languageModel,
  languageModelLoss,
  namedVariables,
  Random,
  randomBatch,
  readCheckpoint,
  type Schedule,
  Trainer,
  warmupCosine,
  writeCheckpoint,
} from 'fastweight';
import type { Book } from './moby_dick';
import { Progress } from './progress';
import type { Settings } from './settings';

/** What a checkpoint keeps besides the trainer's state. */
interface RunRecord {
  settings: Settings;
  /** Steps of the whole run; null until the first ones have shown the pace. */
  totalSteps: number | null;
  /** Seconds of training so far. */
  seconds: number;
  /** Nats a held-out byte before training. */
  startLoss: number;
}

/** A run's length: a number of steps, or the seconds that training may take. */
export type Length = { steps: number } | { seconds: number };

/** The first steps load code and find memory; they do not tell the pace. */
const slowSteps = 3;

/** A model in training on a book, with all that a checkpoint has to bring back. */
export class TrainingRun {
  readonly model: LayersModel;
  readonly loss: LossFunction;
  readonly trainer: Trainer;
  private readonly stepSeconds: number[] = [];

  private constructor(
    readonly record: RunRecord,
    private readonly allowedSeconds: number,
    book: Book,
  ) {
    const { settings } = record;
    this.model = languageModel(settings.model, { seed: settings.seed });
    this.loss = (ids, labels) => languageModelLoss(this.model, ids, labels);
    this.trainer = new Trainer({
      parameters: namedVariables(this.model),
      loss: this.loss,
      nextBatch: (random) => randomBatch(book.train, settings, random),
      optimizer: new AdamW({ weightDecay: settings.weightDecay }),
      schedule: this.schedule(),
      random: new Random(settings.seed),
      maxGradientNorm: settings.maxGradientNorm,
    });
  }

  static start(settings: Settings, length: Length, book: Book): TrainingRun {
    const totalSteps = 'steps' in length ? length.steps : null;
    const seconds = 'seconds' in length ? length.seconds : Infinity;
    const record = { settings, totalSteps, seconds: 0, startLoss: Number.NaN };
    return new TrainingRun(record, seconds, book);
  }

  /** @throws FastWeightError ERR_CHECKPOINT */
  static async resume(file: string, allowedSeconds: number, book: Book): Promise<TrainingRun> {
    const checkpoint = readCheckpoint(file);
    const record = JSON.parse(checkpoint.metadata.run) as RunRecord;
    const run = new TrainingRun(record, allowedSeconds, book);
    await run.trainer.restore(checkpoint);
    return run;
  }

  get finished(): boolean {
    return this.trainer.stepsDone === this.record.totalSteps;
  }

  get tokensPerStep(): number {
    return this.record.settings.batch * this.record.settings.tokens;
  }

  /** Trains until the run is finished or `interrupted` says so after a step. */
  async train(interrupted: () => boolean): Promise<void> {
    const progress = new Progress(this.tokensPerStep);
    try {
      while (!this.finished && !interrupted()) {
        const started = performance.now();
        const { loss } = this.trainer.step();
        const seconds = (performance.now() - started) / 1000;
        this.keepTime(seconds);
        progress.update(this.trainer.stepsDone, this.expectedSteps(), loss, seconds);
        // Signals and the bar get their turn between two steps.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      progress.stop();
    }
  }

  /** Counts a step's time; at the end of warm-up its pace fixes the number of steps. */
  private keepTime(seconds: number): void {
    this.record.seconds += seconds;
    this.stepSeconds.push(seconds);
    const { settings, totalSteps } = this.record;
    if (totalSteps !== null || this.trainer.stepsDone < settings.warmupSteps) return;
    this.record.totalSteps = this.expectedSteps();
    this.trainer.schedule = this.schedule();
  }

  /** All steps of the run, as far as the pace is known. */
  private expectedSteps(): number {
    const { totalSteps, seconds, settings } = this.record;
    if (totalSteps !== null) return totalSteps;
    const pace = median(this.stepSeconds.slice(slowSteps)) ?? this.stepSeconds[0];
    const more = Math.floor((this.allowedSeconds - seconds) / pace);
    return Math.max(settings.warmupSteps, this.trainer.stepsDone + more);
  }

  /** Until the number of steps is known all are warm-up, whose rate does not depend on it. */
  private schedule(): Schedule {
    const { settings, totalSteps } = this.record;
    const { peakRate: peak, finalRate: final, warmupSteps } = settings;
    return warmupCosine({ peak, final, warmupSteps, totalSteps: totalSteps ?? warmupSteps });
  }

  async save(file: string): Promise<void> {
    writeCheckpoint(file, await this.trainer.checkpoint({ run: JSON.stringify(this.record) }));
  }
}

function median(values: number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
