import * as path from 'node:path';
import {
  parseOptionValues,
  positiveInteger,
  positiveNumber,
  UsageError,
} from '../common/command_line';

export const help = `usage: npm run example:fine-tune -- [options]

Goes on training a byte-level language model on another text: a model that npm run demo left, or one
of published parameter names. Keeps the text's last part back, and prints its bits per byte before
and after. Writes the weights, the loss curve and the figures.

  --from FILE     what to start from, runs/demo/checkpoint.safetensors by default; its settings are
                  in it, or for other safetensors in --config
  --config FILE   the model's config.json, with the published names of settings
  --text FILE     the text, in UTF-8; by default the quotations before Moby Dick's first
                  chapter, which the demo leaves out
  --steps N       steps to train, 200 by default
  --rate R        learning rate after warm-up, 0.0005 by default; it falls to a tenth
  --quick         10 steps: a look at the example in seconds
  --out DIR       where results go, runs/fine-tune by default
  --backend NAME  the tfjs backend, fastweight-cpu by default
  --help          this text`;

export interface Options {
  help: boolean;
  from: string;
  config: string | undefined;
  /** Left out: the quotations before Moby Dick's first chapter. */
  text: string | undefined;
  steps: number;
  rate: number;
  out: string;
  backend: string;
}

const quickSteps = '10';

/** @throws UsageError */
export function parseOptions(args: string[]): Options {
  const {
    help = false,
    quick,
    steps,
    ...values
  } = parseOptionValues(args, {
    help: { type: 'boolean', short: 'h' },
    from: { type: 'string' },
    config: { type: 'string' },
    text: { type: 'string' },
    steps: { type: 'string' },
    rate: { type: 'string' },
    quick: { type: 'boolean' },
    out: { type: 'string' },
    backend: { type: 'string' },
  });
  if (quick && steps !== undefined)
    throw new UsageError('Expected --quick or --steps but got both');
  return {
    help,
    from: values.from ?? path.join('runs', 'demo', 'checkpoint.safetensors'),
    config: values.config,
    text: values.text,
    steps: positiveInteger('steps', steps ?? (quick ? quickSteps : '200')),
    rate: positiveNumber('rate', values.rate ?? '0.0005'),
    out: path.resolve(values.out ?? path.join('runs', 'fine-tune')),
    backend: values.backend ?? 'fastweight-cpu',
  };
}
