import os from 'node:os';
import { parseArgs } from 'node:util';
import type { Shape, Suite } from './case';
import { suites } from './suites';
import { UsageError } from './usage_error';

export interface Options {
  suites: Suite[];
  /** Sizes that replace those of the suites' first shape. */
  shape?: Shape;
  /** Only cases whose name has this text. */
  filter: string;
  threads: number;
  quick: boolean;
  rounds: number;
  profile: boolean;
  save: boolean;
  help: boolean;
  python?: string;
  tfjsNode?: string;
  blas: string[];
  json?: string;
  out?: string;
}

const suiteNames = suites.map(({ name }) => name).join(', ');

export const help = `usage: npm run bench -- [options]

Measures fastweight beside its rivals: all contenders of a case compute it on the same data, and only
those whose results agree with ours take turns, one repetition at a time. Ratios are medians over
rounds of a rival's time by ours: above 1, fastweight is faster.

  --suite NAME      ${suiteNames}; may be repeated (default: all)
  --shape SIZES     such as rows=1,tokens=2048: one shape instead of the suite's own, whose first
                    gives the sizes left out
  --case TEXT       only cases whose name has TEXT in it
  --threads N       threads of every contender (default: the cores, ${os.availableParallelism()})
  --rounds N        repetitions of each contender at most (default 15, quick 3)
  --device cuda     a GPU instead, by its own clock; --device cuda --help says more
  --quick           small shapes, few rounds: shows that everything works, not how fast it is
  --profile         with --suite train-step: where a step's time goes, kernel by kernel

rivals (tfjs's cpu and wasm backends always take part where they end in seconds)
  --python PATH     a Python with torch: PyTorch eager and compiled
  --tfjs-node PATH  a folder with node_modules/@tensorflow/tfjs-node in it
  --blas PATH       a library with cblas_sgemm, for the gemm suite; may be repeated. Needs
                    'npm run bench:native' once

results
  --json FILE       writes all figures
  --out DIR         writes bench.json, bench.md and bench.svg to DIR
  --save            writes them to bench/results, named by this CPU and the date

Exit code: 0; 1 where a contender's results differ from ours or ours fail; 2 for a wrong command line.
Goals that are missed are shown, and do not change it.`;

/** @throws UsageError */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const chosen = (values.suite ?? suites.map(({ name }) => name)).map(suiteNamed);
  const quick = values.quick ?? false;
  const options: Options = {
    suites: [...new Set(chosen)],
    filter: values.case ?? '',
    threads: count('--threads', values.threads, os.availableParallelism()),
    quick,
    rounds: count('--rounds', values.rounds, quick ? 3 : 15),
    profile: values.profile ?? false,
    save: values.save ?? false,
    help: values.help ?? false,
    python: values.python,
    tfjsNode: values['tfjs-node'],
    blas: values.blas ?? [],
    json: values.json,
    out: values.out,
  };
  if (values.shape !== undefined) options.shape = parseShape(values.shape, options.suites);
  if (options.profile && options.suites.some(({ name }) => name !== 'train-step')) {
    throw new UsageError('Expected --suite train-step, and no other, for --profile');
  }
  return options;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        suite: { type: 'string', multiple: true },
        shape: { type: 'string' },
        case: { type: 'string' },
        threads: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean' },
        profile: { type: 'boolean' },
        save: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        python: { type: 'string' },
        'tfjs-node': { type: 'string' },
        blas: { type: 'string', multiple: true },
        json: { type: 'string' },
        out: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function suiteNamed(name: string): Suite {
  const suite = suites.find((each) => each.name === name);
  if (suite === undefined) {
    throw new UsageError(`Expected one of ${suiteNames} for --suite but got '${name}'`);
  }
  return suite;
}

function count(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 1024) {
    throw new UsageError(`Expected a whole number from 1 to 1024 for ${flag} but got '${text}'`);
  }
  return value;
}

/** What may be 0: no transpose, no window. */
const mayBeZero = ['transposeA', 'transposeB', 'window'];

/** Sizes by name; each must be one that every chosen suite knows. */
function parseShape(text: string, chosen: readonly Suite[]): Shape {
  const pairs = text.split(',').map((pair) => /^(\w+)=(\d+)$/.exec(pair.trim()));
  if (pairs.includes(null)) {
    throw new UsageError(`Expected NAME=SIZE,... for --shape but got '${text}'`);
  }
  const shape = Object.fromEntries(
    (pairs as RegExpExecArray[]).map(([, name, size]) => [name, Number(size)]),
  );
  const zero = Object.keys(shape).find((name) => shape[name] === 0 && !mayBeZero.includes(name));
  if (zero !== undefined) throw new UsageError(`Expected a size above 0 for ${zero} but got 0`);
  for (const suite of chosen) {
    const known = new Set(suite.shapes.flatMap(Object.keys));
    const unknown = Object.keys(shape).find((name) => !known.has(name));
    if (unknown !== undefined) {
      const names = [...known].join(', ');
      throw new UsageError(`Expected sizes of ${suite.name} (${names}) but got '${unknown}'`);
    }
  }
  return shape;
}
