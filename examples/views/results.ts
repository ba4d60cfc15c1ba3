import { lineChartSvg } from 'fastweight';
import { decibels, type Measurement, type TrainingRun } from './training_run';

/** The figures of a run. */
export interface Results {
  steps: number;
  /** Steps left out because their loss or gradient was not finite. */
  stepsSkipped: number;
  seconds: number;
  parameters: number;
  /** What PSNR and SSIM were measured on. */
  measuredOn: string;
  /** From before the first step to after the last. */
  measurements: Measurement[];
  /** PSNR of each step's batch in dB; null for a step that was skipped. */
  losses: (number | null)[];
}

export function resultsOf({ trainer, seconds, model, scenes, measurements }: TrainingRun): Results {
  return {
    steps: trainer.stepsDone,
    stepsSkipped: trainer.stepsSkipped,
    seconds,
    parameters: model.countParams(),
    measuredOn: scenes.measuredOn,
    measurements,
    losses: trainer.losses.map((loss) => (Number.isNaN(loss) ? null : decibels(loss))),
  };
}

/** PSNR along the run for each number of context views, as SVG. */
export function psnrChart({ measurements, measuredOn }: Results): Promise<string> {
  const series = measurements[0].quality.map(({ contextViews }, at) => ({
    name: contextViews === 1 ? '1 context view' : `${contextViews} context views`,
    points: measurements.map(({ step, quality }) => ({ x: step, y: quality[at].psnr })),
  }));
  return lineChartSvg({
    title: `Views of ${measuredOn}`,
    xLabel: 'step',
    yLabel: 'PSNR [dB]',
    series,
    legend: 'below',
  });
}

/** Lines that tell PSNR and SSIM for each number of context views. */
export function qualityLines({ quality }: Measurement): string[] {
  return [
    'context views   PSNR [dB]   SSIM',
    ...quality.map(
      ({ contextViews, psnr, ssim }) =>
        `${`${contextViews}`.padStart(13)}   ${psnr.toFixed(2).padStart(9)}   ${ssim.toFixed(3)}`,
    ),
  ];
}
