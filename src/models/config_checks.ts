// Checks that the configs of the models share.
import { expected } from '../native/errors';

/** What a setting has to be. */
export type Check = { holds: (value: unknown) => boolean; expectation: string };

export const integer = (least: number): Check => ({
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= least,
  expectation: `an integer of at least ${least}`,
});
export const positive: Check = {
  holds: (value) => Number.isFinite(value) && (value as number) > 0,
  expectation: 'a positive number',
};
export const boolean: Check = {
  holds: (value) => typeof value === 'boolean',
  expectation: 'a boolean',
};
const isTriple = (triple: unknown) =>
  Array.isArray(triple) && triple.length === 3 && triple.every(Number.isFinite);
export const schedule: Check = {
  holds: (value) =>
    typeof value === 'string'
      ? /^(you5|keller[1-9]\d?)$/.test(value)
      : Array.isArray(value) && value.length > 0 && value.every(isTriple),
  expectation: "'you5', 'keller' and a number of steps, or a list of [a, b, c]",
};

/** A value as a message shows it. */
export function show(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value));
}

/**
 * The settings of a partial config that are not undefined.
 *
 * @throws FastWeightError ERR_ARGUMENT for a setting that the model does not have
 */
export function givenSettings<T extends object>(
  partial: Partial<T>,
  checks: Readonly<Record<keyof T, Check>>,
  model: string,
): Partial<T> {
  for (const name of Object.keys(partial)) {
    if (!Object.hasOwn(checks, name)) {
      throw expected('ERR_ARGUMENT', `settings of ${model}`, 'config', `'${name}'`);
    }
  }
  const given = Object.entries(partial).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Partial<T>;
}

/** Throws ERR_ARGUMENT for the first setting that is not what it has to be. */
export function assertSettings<T extends object>(
  config: T,
  checks: Readonly<Record<keyof T, Check>>,
): void {
  for (const [name, { holds, expectation }] of Object.entries<Check>(checks)) {
    const value = config[name as keyof T];
    if (!holds(value)) throw expected('ERR_ARGUMENT', expectation, name, show(value));
  }
}
