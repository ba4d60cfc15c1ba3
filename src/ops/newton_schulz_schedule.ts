import { expected } from '../native/errors';

/** Coefficients (a, b, c) of one Newton-Schulz step. */
export type NewtonSchulzTriple = readonly [a: number, b: number, c: number];

/** A schedule by name ('you5', or 'keller' and a number of steps), or one triple per step. */
export type NewtonSchulzSchedule = string | readonly NewtonSchulzTriple[];

const you5: readonly NewtonSchulzTriple[] = [
  [4.0848, -6.8946, 2.927],
  [3.9505, -6.3029, 2.6377],
  [3.7418, -5.5913, 2.3037],
  [2.8769, -3.1427, 1.2046],
  [2.8366, -3.0525, 1.2012],
];

const keller: NewtonSchulzTriple = [3.4445, -4.775, 2.0315];

/**
 * The triples of a schedule, flat, as native code takes them: 'you5' is the LaCT language model's,
 * 'keller5' that of its view synthesis and video models.
 *
 * @throws FastWeightError ERR_ARGUMENT for an unknown name, an empty list or a wrong triple.
 */
export function flatSchedule(schedule: NewtonSchulzSchedule): Float32Array {
  return Float32Array.from(triplesOf(schedule).flat());
}

function triplesOf(schedule: NewtonSchulzSchedule): readonly NewtonSchulzTriple[] {
  if (schedule === 'you5') return you5;
  const steps = typeof schedule === 'string' ? /^keller([1-9]\d?)$/.exec(schedule) : null;
  if (steps !== null) return Array.from({ length: Number(steps[1]) }, () => keller);
  const isTriple = (triple: unknown) =>
    Array.isArray(triple) && triple.length === 3 && triple.every(Number.isFinite);
  if (!Array.isArray(schedule) || schedule.length === 0 || !schedule.every(isTriple)) {
    throw expected(
      'ERR_ARGUMENT',
      "'you5', 'keller' and a number of steps, or a list of [a, b, c]",
      'newtonSchulz',
      JSON.stringify(schedule) ?? String(schedule),
    );
  }
  return schedule as NewtonSchulzTriple[];
}
