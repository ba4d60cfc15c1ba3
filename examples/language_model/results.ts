import { bitsPerByte } from 'fastweight';
import { lossChart } from '../common/loss_chart';
import type { TrainingRun } from './training_run';

/** The figures of a finished run. */
export interface Results {
  steps: number;
  seconds: number;
  tokensPerSecond: number;
  /** Bits a byte on the held-out chapters, from before the first step to after the last. */
  heldOut: { step: number; bitsPerByte: number }[];
  /** Bits a byte of each step's batch. */
  losses: number[];
}

export function resultsOf({ record, trainer, tokensPerStep }: TrainingRun): Results {
  const steps = trainer.stepsDone;
  return {
    steps,
    seconds: record.seconds,
    tokensPerSecond: Math.round((steps * tokensPerStep) / record.seconds),
    heldOut: record.heldOut.map(({ step, loss }) => ({ step, bitsPerByte: bitsPerByte(loss) })),
    losses: trainer.losses.map(bitsPerByte),
  };
}

/** The loss curve as SVG. */
export function demoLossChart({ losses, heldOut }: Results): Promise<string> {
  const title = 'A LaCT language model learns Moby Dick';
  return lossChart({ title, losses, heldOutName: 'held-out chapters', heldOut });
}
