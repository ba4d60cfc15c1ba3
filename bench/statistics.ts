/** The quantile of `values` at `fraction` in [0, 1], between neighbours in proportion. */
export function quantile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new RangeError('Expected at least one value but got none');
  const sorted = [...values].sort((a, b) => a - b);
  const at = fraction * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Median and quartiles. */
export interface Spread {
  median: number;
  lower: number;
  upper: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), lower: quantile(values, 0.25), upper: quantile(values, 0.75) };
}

/**
 * The median over rounds of `theirs / ours`: neighbours in time see the same machine, so what else
 * runs on it weighs on both sides of each ratio.
 *
 * @param theirs times of the first rounds; there may be fewer than of ours
 */
export function medianRatio(theirs: readonly number[], ours: readonly number[]): number {
  return median(theirs.map((time, round) => time / ours[round]));
}
