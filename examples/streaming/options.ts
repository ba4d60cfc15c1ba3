import * as path from 'node:path';
import { parseOptionValues, positiveInteger, UsageError } from '../common/command_line';

export const help = `usage: npm run example:streaming -- [options]

Reads a long prompt, Moby Dick, into a session of the demo's language model and goes on with it. The
bytes held and the time of a token stay the same however long the prompt is; both are printed and
charted.

  --tokens N       bytes of the prompt, 100000 by default
  --checkpoint F   checkpoint of 'npm run demo', runs/demo/checkpoint.safetensors by default
  --train-steps N  train a model so many steps instead; 100 where there is no checkpoint
  --sample N       bytes to write after the prompt, 300 by default
  --seed N         of the sample, 1 by default
  --quick          a tiny model, a prompt of 4000 bytes: a look at the example in seconds
  --out DIR        where charts, sample and figures go, runs/streaming by default
  --help           this text`;

export interface Options {
  help: boolean;
  quick: boolean;
  tokens: number;
  checkpoint: string;
  /** Steps to train; without them the checkpoint is used where there is one. */
  trainSteps: number | undefined;
  sample: number;
  seed: number;
  out: string;
}

/** @throws UsageError */
export function parseOptions(args: string[]): Options {
  const values = parseOptionValues(args, {
    help: { type: 'boolean', short: 'h' },
    quick: { type: 'boolean' },
    tokens: { type: 'string' },
    checkpoint: { type: 'string' },
    'train-steps': { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string' },
    out: { type: 'string' },
  });
  const { quick = false } = values;
  const count = (name: 'tokens' | 'sample' | 'train-steps' | 'seed', standard: string) =>
    positiveInteger(name, values[name] ?? standard);
  if (values.checkpoint !== undefined && values['train-steps'] !== undefined) {
    throw new UsageError('Expected --checkpoint or --train-steps but got both');
  }
  const trains = values['train-steps'] !== undefined || (quick && values.checkpoint === undefined);
  return {
    help: values.help ?? false,
    quick,
    tokens: count('tokens', quick ? '4000' : '100000'),
    checkpoint: path.resolve(values.checkpoint ?? 'runs/demo/checkpoint.safetensors'),
    trainSteps: trains ? count('train-steps', '30') : undefined,
    sample: count('sample', quick ? '40' : '300'),
    seed: count('seed', '1'),
    out: path.resolve(values.out ?? 'runs/streaming'),
  };
}
