import {
  AdamW,
  namedVariables,
  Random,
  Trainer,
  type ViewSynthesisModel,
  viewSynthesis,
  viewSynthesisLoss,
  warmupCosine,
} from 'fastweight';
import { Progress } from '../common/progress';
import { measure, type Quality } from './measure';
import { halves, randomViews, type Scenes, type ViewBatch } from './scenes';
import type { Settings } from './settings';

/** PSNR and SSIM after a number of steps. */
export interface Measurement {
  step: number;
  quality: Quality[];
}

/** Mean squared error as people read it. */
export function decibels(meanSquaredError: number): number {
  return -10 * Math.log10(meanSquaredError);
}

/** A model in training on scenes, as published: AdamW, warm-up and cosine, clipped gradients. */
export class TrainingRun {
  readonly model: ViewSynthesisModel;
  readonly trainer: Trainer<ViewBatch>;
  readonly measurements: Measurement[] = [];
  /** Seconds of training steps. */
  seconds = 0;

  constructor(
    readonly settings: Settings,
    readonly scenes: Scenes,
  ) {
    const { seed, peakRate: peak, finalRate: final, warmupSteps, steps } = settings;
    this.model = viewSynthesis(settings.model, { seed });
    this.trainer = new Trainer({
      parameters: namedVariables(this.model),
      loss: (batch) => {
        const { context, targets } = halves(batch);
        return viewSynthesisLoss(this.model, context, targets);
      },
      nextBatch: (random) => randomViews(scenes.train, settings, random),
      optimizer: new AdamW({
        beta1: 0.9,
        beta2: 0.95,
        weightDecay: settings.weightDecay,
        decayed: 'matrices',
      }),
      schedule: warmupCosine({ peak, final, warmupSteps, totalSteps: steps }),
      random: new Random(seed),
      maxGradientNorm: settings.maxGradientNorm,
      nonFinite: 'skip',
    });
  }

  /** Tokens, which are patches, of a step with the mean number of context views. */
  private get tokensPerStep(): number {
    const { size, model, batch, contextViews, targetViews } = this.settings;
    const patches = (size / (model.patchSize as number)) ** 2;
    return batch * patches * ((contextViews[0] + contextViews[1]) / 2 + targetViews);
  }

  /** Trains to the end, or until `interrupted` says so after a step. */
  async train(interrupted: () => boolean): Promise<void> {
    const { steps } = this.settings;
    const progress = new Progress(
      this.tokensPerStep,
      (error) => `${decibels(error).toFixed(2)} dB PSNR`,
    );
    try {
      this.measureNow();
      while (this.trainer.stepsDone < steps && !interrupted()) {
        const started = performance.now();
        const { loss, skipped } = this.trainer.step();
        const seconds = (performance.now() - started) / 1000;
        this.seconds += seconds;
        if (this.measurementDue()) this.measureNow();
        if (!skipped) progress.update(this.trainer.stepsDone, steps, loss, seconds);
        // Signals and the bar get their turn between two steps.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      progress.stop();
    }
  }

  private measurementDue(): boolean {
    const { measurements, steps } = this.settings;
    const parts = Math.floor((measurements * this.trainer.stepsDone) / steps);
    return parts > this.measurements.length - 1;
  }

  private measureNow(): void {
    const { measuredContexts } = this.settings;
    const quality = measure(this.model, this.scenes.measured, measuredContexts);
    this.measurements.push({ step: this.trainer.stepsDone, quality });
  }
}
