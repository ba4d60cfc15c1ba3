import type { Suite } from '../case';
import { newtonSchulzFlops, scheduleSteps } from '../flops';
import { normal } from '../random_data';

const schedule = 'you5';

/** The iteration alone, on the matrices of one update of all rows. */
export const newtonSchulz: Suite = {
  name: 'newton-schulz',
  shapes: [
    { matrices: 3, rows: 768, columns: 1536 },
    { matrices: 12, rows: 256, columns: 256 },
    { matrices: 3, rows: 512, columns: 512 },
  ],
  quick: [{ matrices: 3, rows: 48, columns: 64 }],
  cases: (shape) => {
    const { matrices, rows, columns } = shape;
    return [
      {
        suite: 'newton-schulz',
        name: `newton-schulz ${matrices} of ${rows} x ${columns}`,
        shape,
        task: { operation: 'newtonSchulz', schedule },
        flops: newtonSchulzFlops(matrices, rows, columns, scheduleSteps(schedule)),
        tolerance: { outputs: 1e-4, gradients: 1e-3 },
        inputs: () => new Map([['d', normal([matrices, rows, columns], 1)]]),
      },
    ];
  },
};
