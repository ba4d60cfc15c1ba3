import { bitsPerByte, lineChartSvg } from 'fastweight';
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

/** Means over this share of the run are drawn beside the single steps. */
const smoothedShare = 0.03;

/** The loss curve as SVG. */
export function lossChart({ losses, heldOut, steps }: Results): Promise<string> {
  const points = losses.map((y, at) => ({ x: at + 1, y }));
  const width = Math.max(1, Math.round(smoothedShare * steps));
  const smoothed = points.map(({ x }, at) => {
    const near = losses.slice(Math.max(0, at - width + 1), at + 1);
    return { x, y: near.reduce((sum, loss) => sum + loss) / near.length };
  });
  return lineChartSvg({
    title: 'A LaCT language model learns Moby Dick',
    xLabel: 'step',
    yLabel: 'loss [bits per byte]',
    series: [
      { name: 'each batch', points },
      { name: `mean of ${width} batches`, points: smoothed },
      {
        name: 'held-out chapters',
        points: heldOut.map(({ step, bitsPerByte: y }) => ({ x: step, y })),
      },
    ],
  });
}
