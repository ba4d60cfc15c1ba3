import type { Tensors, Tolerance } from './case';

/** How far one contender's results are from ours. */
export interface Difference {
  /** Greatest relative error of an output, and of a gradient; 0 where there is none. */
  outputs: number;
  gradients: number;
  /** What is beyond the tolerance, in words; empty where nothing is. */
  problems: string[];
}

/** ||a - b|| / ||b||; the norm of a where b is zero. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let scale = 0;
  for (let at = 0; at < b.length; at++) {
    difference += (a[at] - b[at]) ** 2;
    scale += b[at] ** 2;
  }
  return Math.sqrt(scale === 0 ? difference : difference / scale);
}

/**
 * The results with the gradients of each linear map's weight and bias as one vector. Muon's update does
 * not change when all step sizes of a matrix grow by one factor, so the gradient of a step-size bias is
 * what rounding leaves of a sum that cancels; its error counts beside the terms of that sum.
 */
function byLinearMap(results: Tensors): Tensors {
  const joined: Tensors = new Map();
  const byName = [...results].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, tensor] of byName) {
    const map = name.replace(/^(gradient\..+)\.(weight|bias)$/, '$1');
    const before = joined.get(map);
    if (before === undefined) {
      joined.set(map, tensor);
      continue;
    }
    const data = Float32Array.from([...before.data, ...tensor.data]);
    joined.set(map, { ...tensor, shape: [data.length], data });
  }
  return joined;
}

/** The greatest relative error of the result of this name. */
export type ToleranceOf = (name: string) => number;

const kindOf = (name: string) => (name.startsWith('gradient.') ? 'gradients' : 'outputs');

/** One tolerance for all outputs, and one for all gradients. */
export const tolerances =
  (tolerance: Tolerance): ToleranceOf =>
  (name) =>
    tolerance[kindOf(name)];

/** Compares the results of a contender with ours, tensor by tensor. */
export function compare(theirs: Tensors, ours: Tensors, toleranceOf: ToleranceOf): Difference {
  const found: Difference = { outputs: 0, gradients: 0, problems: [] };
  const all = byLinearMap(theirs);
  for (const [name, expected] of byLinearMap(ours)) {
    const given = all.get(name);
    if (given === undefined || given.data.length !== expected.data.length) {
      found.problems.push(`${name} has ${given?.data.length ?? 'no'} elements`);
      continue;
    }
    addError(found, name, relativeError(given.data, expected.data), toleranceOf(name));
  }
  return found;
}

function addError(found: Difference, name: string, error: number, tolerance: number): void {
  const kind = kindOf(name);
  found[kind] = Math.max(found[kind], error);
  if (error <= tolerance) return; // no: also an error that is not a number
  found.problems.push(`${name} is off by ${error.toExponential(1)} of ${tolerance}`);
}

/** What a contender says of its own results: any error that is a number is no problem. */
export function ownDifference(errors: ReadonlyMap<string, number>): Difference {
  const found: Difference = { outputs: 0, gradients: 0, problems: [] };
  for (const [name, error] of errors) addError(found, name, error, Number.MAX_VALUE);
  return found;
}
