import { expected } from '../native/errors';

/**
 * A number in [0, end).
 *
 * @throws FastWeightError ERR_RANGE
 */
export function checkNumber(name: string, value: number, end = Infinity): number {
  if (value >= 0 && value < end) return value;
  const range = end === Infinity ? 'a finite number of at least 0' : `a number in [0, ${end})`;
  throw expected('ERR_RANGE', range, name, `${value}`);
}

/**
 * One of `choices`.
 *
 * @throws FastWeightError ERR_ARGUMENT
 */
export function checkChoice<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  const listed = choices.map((choice) => `'${choice}'`).join(' or ');
  throw expected('ERR_ARGUMENT', listed, name, `'${value}'`);
}
