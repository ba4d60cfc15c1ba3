import type { Case, Shape, Suite } from '../case';
import { gemmFlops } from '../flops';
import { normal } from '../random_data';

const square = (size: number): Shape => ({ m: size, n: size, k: size });

/** 2048^3, on which each run measures what the machine's GEMM peak is. */
export const peakShape = square(2048);
export const quickPeakShape = square(1024);

/** Products as the fast-weight layer makes them, and squares. */
export const gemm: Suite = {
  name: 'gemm',
  shapes: [
    square(256),
    square(512),
    square(1024),
    peakShape,
    { m: 1024, n: 3072, k: 768, transposeB: 1 },
    { m: 3072, n: 768, k: 1024, transposeA: 1 },
    { m: 1024, n: 1536, k: 768 },
    { m: 768, n: 1536, k: 768 },
    { m: 2048, n: 512, k: 512, transposeB: 1 },
    { batch: 4, m: 1024, n: 256, k: 256, transposeB: 1 },
    { batch: 4, m: 256, n: 256, k: 1024, transposeA: 1 },
    { batch: 12, m: 256, n: 256, k: 256 },
  ],
  quick: [square(128)],
  cases: (shape) => [gemmCase(shape)],
};

export function gemmCase(shape: Shape): Case {
  const { batch = 1, m, n, k, transposeA = 0, transposeB = 0 } = shape;
  const transposes = `${transposeA ? ' a^T' : ''}${transposeB ? ' b^T' : ''}`;
  return {
    suite: 'gemm',
    name: `gemm ${batch > 1 ? `${batch} of ` : ''}${m} x ${n} x ${k}${transposes}`,
    shape,
    task: { operation: 'matMul', transposeA: transposeA !== 0, transposeB: transposeB !== 0 },
    flops: gemmFlops(batch, m, n, k),
    tolerance: { outputs: 1e-5, gradients: 1e-5 },
    inputs: () =>
      new Map([
        ['a', normal(transposeA ? [batch, k, m] : [batch, m, k], 1)],
        ['b', normal(transposeB ? [batch, n, k] : [batch, k, n], 2)],
      ]),
  };
}
