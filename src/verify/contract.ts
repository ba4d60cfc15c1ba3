/** Largest relative errors ||a - b|| / ||b|| against the float64 goldens. */
export interface Tolerance {
  /** Of each output and final weight. */
  output: number;
  /** Of each gradient. */
  gradient: number;
  /** Of the median over all gradients of a case, where one is set. */
  medianGradient?: number;
}

/** The numerical contract of float32. */
export const contract = {
  operation: { output: 2e-6, gradient: 3e-6 },
  operationWithMuon: { output: 2e-5, gradient: 2e-4 },
  model: { output: 3e-6, gradient: 5e-6 },
  modelWithMuon: { output: 3e-5, gradient: 1.5e-3, medianGradient: 5e-4 },
} as const satisfies Record<string, Tolerance>;

/**
 * The contract of reduced precision: how many times the error of a plain evaluation in the same order,
 * whose products round their operands to that precision, an error may be. Where that one's is below
 * float32's tolerance, float32's tolerance holds.
 */
export const reducedContract = { output: 2, gradient: 3 } as const;

/**
 * Scales of the grids that plain evaluations round to, the precision's own first. The error of a
 * scalar, or of a gradient that hangs on a few numbers, is one throw of the dice; the worst of several
 * evaluations says what a plain one may give. It is hardly looser for results of many values, whose
 * errors are nearly the same in all.
 */
export const plainGridScales: readonly number[] = Array.from(
  { length: 8 },
  (_, step) => 2 ** (step / 8),
);
