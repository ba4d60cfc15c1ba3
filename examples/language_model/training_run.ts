import {
  AdamW,
  bitsPerByte,
  type LanguageModel,
  type LossFunction,
  languageModel,
  languageModelLoss,
  meanLoss,
  namedVariables,
  Random,
  randomBatch,
  type Schedule,
  sequentialBatches,
  type TokenBatch,
  Trainer,
  warmupCosine,
  writeCheckpoint,
} from 'fastweight';
import { Progress } from '../common/progress';
import type { Book } from './moby_dick';
import type { Settings } from './settings';
import { type RunRecord, readRun } from './trained_model';

/** A run's length: a number of steps, or the seconds that training may take. */
export type Length = { steps: number } | { seconds: number };

/** The pace is the mean of so many steps, and the end of a run is planned anew as often. */
const paceSteps = 50;

/** A model in training on a book, with all that a checkpoint has to bring back. */
export class TrainingRun {
  readonly model: LanguageModel;
  readonly loss: LossFunction<TokenBatch>;
  readonly trainer: Trainer<TokenBatch>;
  private readonly stepSeconds: number[] = [];
  private readonly heldOutText: Uint8Array;

  private constructor(
    readonly record: RunRecord,
    book: Book,
  ) {
    const { settings } = record;
    this.heldOutText = book.heldOut.subarray(0, settings.heldOutBytes);
    this.model = languageModel(settings.model, { seed: settings.seed });
    this.loss = ({ ids, labels }) => languageModelLoss(this.model, ids, labels);
    this.trainer = new Trainer({
      parameters: namedVariables(this.model),
      loss: this.loss,
      nextBatch: (random) => randomBatch(book.train, settings, random),
      optimizer: new AdamW({ weightDecay: settings.weightDecay, beta2: settings.beta2 }),
      schedule: this.schedule(),
      random: new Random(settings.seed),
      maxGradientNorm: settings.maxGradientNorm,
    });
  }

  static start(settings: Settings, length: Length, book: Book): TrainingRun {
    const record = {
      settings,
      allowedSeconds: 'seconds' in length ? length.seconds : null,
      totalSteps: 'steps' in length ? length.steps : null,
      seconds: 0,
      evaluationSeconds: 0,
      heldOut: [],
    };
    return new TrainingRun(record, book);
  }

  /** @throws FastWeightError ERR_CHECKPOINT */
  static async resume(file: string, book: Book): Promise<TrainingRun> {
    const { checkpoint, record } = readRun(file);
    const run = new TrainingRun(record, book);
    await run.trainer.restore(checkpoint);
    return run;
  }

  get finished(): boolean {
    return this.trainer.stepsDone === this.record.totalSteps;
  }

  get tokensPerStep(): number {
    return this.record.settings.batch * this.record.settings.tokens;
  }

  /** Measures the loss on the held-out chapters and keeps it. */
  evaluate(): void {
    const { batch, tokens } = this.record.settings;
    const started = performance.now();
    const loss = meanLoss(this.loss, sequentialBatches(this.heldOutText, { batch, tokens }));
    this.record.evaluationSeconds += secondsSince(started);
    this.record.heldOut.push({ step: this.trainer.stepsDone, loss });
  }

  /** Trains until the run is finished or `interrupted` says so after a step. */
  async train(interrupted: () => boolean): Promise<void> {
    const progress = new Progress(
      this.tokensPerStep,
      (nats) => `${bitsPerByte(nats).toFixed(3)} bits/byte`,
    );
    try {
      if (this.trainer.stepsDone === 0) this.evaluate();
      while (!this.finished && !interrupted()) {
        const started = performance.now();
        const { loss } = this.trainer.step();
        const seconds = secondsSince(started);
        this.keepTime(seconds);
        if (this.evaluationDue()) this.evaluate();
        progress.update(this.trainer.stepsDone, this.expectedSteps(), loss, seconds);
        // Signals and the bar get their turn between two steps.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      progress.stop();
    }
  }

  /** Whether another equal part of the run has ended. */
  private evaluationDue(): boolean {
    const { totalSteps, settings, heldOut } = this.record;
    if (totalSteps === null) return false;
    const parts = Math.floor((settings.evaluations * this.trainer.stepsDone) / totalSteps);
    return parts > heldOut.length - 1;
  }

  /**
   * Counts a step's time. A run that has minutes plans its number of steps after warm-up, and again
   * whenever the pace has been measured anew, so that it ends in time on a machine that is shared.
   */
  private keepTime(seconds: number): void {
    this.record.seconds += seconds;
    this.stepSeconds.push(seconds);
    if (this.stepSeconds.length > paceSteps) this.stepSeconds.shift();
    const { settings, allowedSeconds } = this.record;
    const sinceWarmup = this.trainer.stepsDone - settings.warmupSteps;
    if (allowedSeconds === null || sinceWarmup < 0 || sinceWarmup % paceSteps !== 0) return;
    this.record.totalSteps = this.stepsWithin(allowedSeconds);
    this.trainer.schedule = this.schedule();
  }

  /** Steps of the whole run, as far as the pace is known. */
  private expectedSteps(): number {
    const { totalSteps, allowedSeconds } = this.record;
    return totalSteps ?? this.stepsWithin(allowedSeconds as number);
  }

  /** Steps done and those for which there is time, at the last steps' pace. */
  private stepsWithin(allowedSeconds: number): number {
    const { seconds, evaluationSeconds, heldOut, settings } = this.record;
    const pace = this.stepSeconds.reduce((sum, step) => sum + step) / this.stepSeconds.length;
    const allEvaluations = (evaluationSeconds / heldOut.length) * (settings.evaluations + 1);
    const secondsLeft = allowedSeconds - seconds - allEvaluations;
    const more = Math.max(0, Math.floor(secondsLeft / pace));
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

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
