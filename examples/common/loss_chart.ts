import { lineChartSvg } from 'fastweight';

/** A run's losses in bits a byte. */
export interface LossCurve {
  title: string;
  /** Of each step's batch. */
  losses: number[];
  /** What the second curve was measured on, and its values after so many steps. */
  heldOutName: string;
  heldOut: { step: number; bitsPerByte: number }[];
}

/** Means over this share of the run are drawn beside the single steps. */
const smoothedShare = 0.03;

/** The loss curve as SVG. */
export function lossChart({ title, losses, heldOutName, heldOut }: LossCurve): Promise<string> {
  const points = losses.map((y, at) => ({ x: at + 1, y }));
  const width = Math.max(1, Math.round(smoothedShare * losses.length));
  const smoothed = points.map(({ x }, at) => {
    const near = losses.slice(Math.max(0, at - width + 1), at + 1);
    return { x, y: near.reduce((sum, loss) => sum + loss) / near.length };
  });
  return lineChartSvg({
    title,
    xLabel: 'step',
    yLabel: 'loss [bits per byte]',
    series: [
      { name: 'each batch', points },
      { name: `mean of ${width} batches`, points: smoothed },
      {
        name: heldOutName,
        points: heldOut.map(({ step, bitsPerByte: y }) => ({ x: step, y })),
      },
    ],
  });
}
