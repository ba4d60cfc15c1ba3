import { expected } from '../native/errors';

/** The learning rate of each step; the first step is 0. */
export type Schedule = (step: number) => number;

export interface WarmupCosine {
  /** The rate when warm-up is over. */
  peak: number;
  /** The rate of the last step and of every step after it. */
  final: number;
  /** Steps in which the rate grows linearly to `peak`. */
  warmupSteps: number;
  /** All steps, warm-up included. */
  totalSteps: number;
}

/**
 * Linear warm-up, then half a cosine down (Loshchilov and Hutter, "SGDR", 2017).
 *
 * @throws FastWeightError ERR_RANGE for a rate below 0 or not finite, or steps that are no count.
 */
export function warmupCosine({ peak, final, warmupSteps, totalSteps }: WarmupCosine): Schedule {
  for (const [name, rate] of Object.entries({ peak, final })) {
    if (!(rate >= 0 && Number.isFinite(rate))) {
      throw expected('ERR_RANGE', 'a rate of at least 0', name, `${rate}`);
    }
  }
  for (const [name, steps] of Object.entries({ warmupSteps, totalSteps })) {
    if (!Number.isSafeInteger(steps) || steps < 0) {
      throw expected('ERR_RANGE', 'a number of steps', name, `${steps}`);
    }
  }
  const decaySteps = totalSteps - 1 - warmupSteps;
  return (step) => {
    if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
    const done = decaySteps > 0 ? Math.min(1, (step - warmupSteps) / decaySteps) : 1;
    return final + (peak - final) * 0.5 * (1 + Math.cos(Math.PI * done));
  };
}
