import * as path from 'node:path';
import { parseOptionValues, positiveInteger, UsageError } from '../common/command_line';

export const help = `usage: npm run example:views -- [options]

Trains a small LaCT view-synthesis model on procedural scenes, then measures it on scenes that it
has never seen, with 1, 2, 4 and 8 context views. Writes the model, a strip of pictures, the PSNR
curves, a turntable GIF and the figures.

  --data FOLDER   train on the views of this scene instead (opencv_cameras.json and its images) and
                  measure on views held out from it
  --steps N       train this many steps instead of the default
  --quick         a tiny model and a few steps: a look at the example in seconds
  --out DIR       where results go, runs/views by default
  --backend NAME  the tfjs backend, fastweight-cpu by default
  --help          this text`;

export interface Options {
  help: boolean;
  quick: boolean;
  /** A folder in the published format; without it scenes are drawn. */
  data: string | undefined;
  /** Steps to train; without them the settings decide. */
  steps: number | undefined;
  out: string;
  backend: string;
}

/** @throws UsageError */
export function parseOptions(args: string[]): Options {
  const values = parseOptionValues(args, {
    help: { type: 'boolean', short: 'h' },
    quick: { type: 'boolean' },
    data: { type: 'string' },
    steps: { type: 'string' },
    out: { type: 'string' },
    backend: { type: 'string' },
  });
  if (values.data === '') throw new UsageError("Expected a folder for --data but got ''");
  return {
    help: values.help ?? false,
    quick: values.quick ?? false,
    data: values.data,
    steps: values.steps === undefined ? undefined : positiveInteger('steps', values.steps),
    out: path.resolve(values.out ?? path.join('runs', 'views')),
    backend: values.backend ?? 'fastweight-cpu',
  };
}
