import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { FastWeightError } from 'fastweight';

export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 };

/** A command line that makes no sense. */
export class UsageError extends Error {}

/** A result that is not what it must be; the message says all that there is to say. */
export class CheckFailed extends Error {}

/** How util.parseArgs is told of options. */
type OptionTable = Record<string, { type: 'string' | 'boolean'; short?: string }>;

type OptionValues<Options extends OptionTable> = {
  [Name in keyof Options]?: Options[Name]['type'] extends 'string' ? string : boolean;
};

/**
 * The values of the options, each as given or undefined, and the words that are no options.
 *
 * @throws UsageError for an unknown option, or one without its value.
 */
export function parseProgramOptions<const Options extends OptionTable>(
  args: string[],
  options: Options,
): { values: OptionValues<Options>; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    return { values: values as OptionValues<Options>, positionals };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/**
 * The values of the options of a program that takes no other words.
 *
 * @throws UsageError for an unknown option, one without its value, or any other word.
 */
export function parseOptionValues<const Options extends OptionTable>(
  args: string[],
  options: Options,
): OptionValues<Options> {
  const { values, positionals } = parseProgramOptions(args, options);
  if (positionals.length === 0) return values;
  throw new UsageError(`Expected options but got '${positionals[0]}'`);
}

/** @throws UsageError for anything but a number above 0 */
export function positiveNumber(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`Expected a number above 0 for --${option} but got '${text}'`);
}

/** @throws UsageError for anything but a whole number above 0 */
export function positiveInteger(option: string, text: string): number {
  const value = positiveNumber(option, text);
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(`Expected a whole number for --${option} but got '${text}'`);
}

/**
 * Makes a tfjs backend the one in use.
 *
 * @throws UsageError for an unknown one, FastWeightError ERR_DEVICE_UNAVAILABLE
 */
export async function useBackend(name: string): Promise<void> {
  const known = Object.keys(tf.engine().registryFactory);
  if (!known.includes(name)) {
    throw new UsageError(`Expected one of ${known.join(', ')} for --backend but got '${name}'`);
  }
  if (!(await tf.setBackend(name))) {
    throw new FastWeightError('ERR_DEVICE_UNAVAILABLE', `The backend ${name} does not start`);
  }
}

/** Runs a program with the words of its command line and sets the exit code that it comes to. */
export function runProgram(npmScript: string, main: (args: string[]) => Promise<number>): void {
  // Keeps tfjs's advertisement of other backends out of the output.
  tf.enableProdMode();
  main(process.argv.slice(2)).then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
      if (error instanceof UsageError) {
        console.error(`${error.message}. See npm run ${npmScript} -- --help`);
      } else if (error instanceof FastWeightError) {
        console.error(`${error.code}: ${error.message}`);
      } else {
        console.error(error instanceof CheckFailed ? error.message : error);
      }
    },
  );
}
