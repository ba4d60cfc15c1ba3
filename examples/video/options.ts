import * as path from 'node:path';
import { parseOptionValues, positiveInteger, UsageError } from '../common/command_line';

const defaultSteps = 4500;
const quickSteps = 20;

export const help = `usage: npm run example:video -- [options]

Trains an autoregressive video diffusion model with LaCT layers on Moving MNIST and writes a
checkpoint, the loss curve, the figures and samples: videos that go on from their first frames,
beside the truth, and videos made from a label alone, as an animation (GIF) and a strip (PNG).
Ctrl-C stops after the current step and leaves a checkpoint.

  --steps N   train this many steps, ${defaultSteps} by default
  --resume    go on from the checkpoint in the folder, with its settings
  --quick     a tiny model and ${quickSteps} steps: a look at the example in seconds
  --out DIR   where results go, runs/video by default
  --help      this text`;

export interface Options {
  help: boolean;
  resume: boolean;
  quick: boolean;
  steps: number;
  out: string;
}

/** @throws UsageError */
export function parseOptions(args: string[]): Options {
  const values = parseOptionValues(args, {
    help: { type: 'boolean', short: 'h' },
    resume: { type: 'boolean' },
    quick: { type: 'boolean' },
    steps: { type: 'string' },
    out: { type: 'string' },
  });
  const { help: asked = false, resume = false, quick = false, steps, out } = values;
  for (const name of ['steps', 'quick'] as const) {
    if (!resume || values[name] === undefined) continue;
    throw new UsageError(`Expected no --${name} beside --resume: the checkpoint has its own`);
  }
  const usual = quick ? quickSteps : defaultSteps;
  return {
    help: asked,
    resume,
    quick,
    steps: steps === undefined ? usual : positiveInteger('steps', steps),
    out: path.resolve(out ?? path.join('runs', 'video')),
  };
}
