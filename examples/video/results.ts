import { lineChartSvg } from 'fastweight';
import type { SampleFigures } from './samples';
import type { Measured, RunRecord, TrainingRun } from './training_run';

/** The figures of a finished run. */
export interface Results {
  steps: number;
  seconds: number;
  /** On held-out videos, from before the first step to after the last. */
  heldOut: Measured[];
  samples: SampleFigures;
  /** Loss of each step's batch. */
  losses: number[];
  settings: RunRecord['settings'];
}

export function resultsOf({ record, trainer }: TrainingRun, samples: SampleFigures): Results {
  const { seconds, heldOut, settings } = record;
  const losses = [...trainer.losses];
  return { steps: trainer.stepsDone, seconds, heldOut, samples, losses, settings };
}

/** Means over this share of the run are drawn, from this share of the run on: it starts steeply. */
const smoothedShare = 0.02;
const drawnFrom = 0.05;

/** The loss curve as SVG. */
export function lossChart({ losses, heldOut, steps }: Results): Promise<string> {
  const width = Math.max(1, Math.round(smoothedShare * steps));
  const smoothed = losses.map((_, at) => {
    const near = losses.slice(Math.max(0, at - width + 1), at + 1);
    return { x: at + 1, y: near.reduce((sum, loss) => sum + loss) / near.length };
  });
  const drawn = (points: { x: number; y: number }[]) =>
    points.filter(({ x }) => x >= drawnFrom * steps);
  return lineChartSvg({
    title: 'A LaCT video diffusion model learns moving digits',
    xLabel: 'step',
    yLabel: 'weighted squared error of the velocity',
    series: [
      { name: `mean of ${width} batches`, points: drawn(smoothed) },
      {
        name: 'held-out digits',
        points: drawn(heldOut.map(({ step: x, loss: y }) => ({ x, y }))),
      },
    ],
  });
}
