import {
  AdamW,
  bitsPerByte,
  languageModelLoss,
  meanLoss,
  namedVariables,
  Random,
  randomBatch,
  sequentialBatches,
  type TokenBatch,
  Trainer,
  warmupCosine,
} from 'fastweight';
import { Progress } from '../common/progress';
import type { Start } from './start';

/** Windows of a step, and bytes of a window. */
const shape = { batch: 1, tokens: 512 };

/** How often the held-out part is measured after the start. */
const evaluations = 4;

const seed = 1;

export interface FineTuned {
  /** Bits a byte of each step's batch. */
  losses: number[];
  /** Bits a byte of the part that is kept back, from before the first step to after the last. */
  heldOut: { step: number; bitsPerByte: number }[];
  seconds: number;
}

/**
 * Trains every parameter. The optimizer starts anew, so the learning rate grows first: its averages
 * of the gradients mean nothing yet.
 */
export async function fineTune(
  { model, train, heldOut }: Start,
  steps: number,
  rate: number,
): Promise<FineTuned> {
  const loss = ({ ids, labels }: TokenBatch) => languageModelLoss(model, ids, labels);
  const trainer = new Trainer({
    parameters: namedVariables(model),
    nextBatch: (random) => randomBatch(train, shape, random),
    loss,
    optimizer: new AdamW({ weightDecay: 0.01, beta2: 0.95 }),
    schedule: warmupCosine({
      peak: rate,
      final: rate / 10,
      warmupSteps: Math.ceil(steps / 20),
      totalSteps: steps,
    }),
    random: new Random(seed),
    maxGradientNorm: 1,
  });
  const measured: FineTuned['heldOut'] = [];
  const measure = () => {
    const nats = meanLoss(loss, sequentialBatches(heldOut, shape));
    measured.push({ step: trainer.stepsDone, bitsPerByte: bitsPerByte(nats) });
  };
  measure();
  const progress = new Progress(
    shape.batch * shape.tokens,
    (nats) => `${bitsPerByte(nats).toFixed(3)} bits/byte`,
  );
  const started = performance.now();
  try {
    while (trainer.stepsDone < steps) {
      const before = performance.now();
      const report = trainer.step();
      progress.update(trainer.stepsDone, steps, report.loss, (performance.now() - before) / 1000);
      if (Math.floor((evaluations * trainer.stepsDone) / steps) >= measured.length) measure();
      // Signals and the bar get their turn between two steps.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    progress.stop();
  }
  return {
    losses: trainer.losses.map(bitsPerByte),
    heldOut: measured,
    seconds: (performance.now() - started) / 1000,
  };
}
