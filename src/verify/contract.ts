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
