import * as path from 'node:path';
import { parseOptionValues, UsageError } from '../common/command_line';
import { defaultSettings, longSettings, quickSettings, type Settings } from './settings';

export const help = `usage: npm run experiment:recall -- [options]

Trains small models to recall values by their keys and measures how far back they reach: window
attention alone, full attention, and fast weights beside the window, written by gradient steps, with
momentum and with Muon; then Muon with chunks of 16 to 1024 tokens. Writes a table, charts and JSON.

  --long          trains on all distances that it measures, and with every chunk size
  --quick         tiny models and a few steps: a look at the experiment in seconds
  --out DIR       where results go, runs/recall by default
  --backend NAME  the tfjs backend, fastweight-cpu by default
  --help          this text`;

export interface Options {
  help: boolean;
  settings: Settings;
  out: string;
  backend: string;
}

/** @throws UsageError */
export function parseOptions(args: string[]): Options {
  const {
    help = false,
    long,
    quick,
    out,
    backend,
  } = parseOptionValues(args, {
    help: { type: 'boolean', short: 'h' },
    long: { type: 'boolean' },
    quick: { type: 'boolean' },
    out: { type: 'string' },
    backend: { type: 'string' },
  });
  if (long && quick) throw new UsageError('Expected --long or --quick but got both');
  const settings = long ? longSettings : quick ? quickSettings : defaultSettings;
  return {
    help,
    settings,
    out: path.resolve(out ?? path.join('runs', 'recall')),
    backend: backend ?? 'fastweight-cpu',
  };
}
