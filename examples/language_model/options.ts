import * as path from 'node:path';
import {
  parseOptionValues,
  positiveInteger,
  positiveNumber,
  UsageError,
} from '../common/command_line';

export const help = `usage: npm run demo -- [options]

Trains a byte-level LaCT language model on Moby Dick and writes a checkpoint, the loss curve, a
sample of text and the figures. Ctrl-C stops after the current step and leaves a checkpoint.

  --minutes N     time to train, 2.2 by default; as many steps as fit into it
  --steps N       train this many steps instead
  --resume        go on from the checkpoint in the folder, with its settings
  --quick         a tiny model and 30 steps: a look at the demo in seconds
  --attention     leave the fast weights out: the window's attention alone, to compare with
  --out DIR       where results go, runs/demo by default
  --backend NAME  the tfjs backend, fastweight-cpu by default
  --help          this text`;

export interface Options {
  help: boolean;
  resume: boolean;
  quick: boolean;
  /** Leave the fast weights out. */
  attention: boolean;
  /** Steps to train; without them `minutes` decide. */
  steps: number | undefined;
  minutes: number;
  out: string;
  backend: string;
}

const quickSteps = 30;

/** @throws UsageError */
export function parseOptions(args: string[]): Options {
  const values = parseOptionValues(args, {
    help: { type: 'boolean', short: 'h' },
    resume: { type: 'boolean' },
    quick: { type: 'boolean' },
    attention: { type: 'boolean' },
    steps: { type: 'string' },
    minutes: { type: 'string' },
    out: { type: 'string' },
    backend: { type: 'string' },
  });
  if (values.resume) {
    for (const name of ['steps', 'minutes', 'quick', 'attention'] as const) {
      if (values[name] === undefined) continue;
      throw new UsageError(`Expected no --${name} beside --resume: the checkpoint has its own`);
    }
  }
  if (values.steps !== undefined && values.minutes !== undefined) {
    throw new UsageError('Expected --steps or --minutes but got both');
  }
  const { resume = false, quick = false, attention = false, out, backend } = values;
  const steps = values.steps === undefined ? undefined : positiveInteger('steps', values.steps);
  return {
    help: values.help ?? false,
    resume,
    quick,
    attention,
    steps: steps ?? (quick && values.minutes === undefined ? quickSteps : undefined),
    minutes: positiveNumber('minutes', values.minutes ?? '2.2'),
    out: path.resolve(out ?? path.join('runs', 'demo')),
    backend: backend ?? 'fastweight-cpu',
  };
}
