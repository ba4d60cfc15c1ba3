import * as fs from 'node:fs';
import * as path from 'node:path';
import { lineChartSvg } from 'fastweight';
import {
  exitCodes,
  parseProgramOptions,
  positiveInteger,
  runProgram,
  UsageError,
  useBackend,
} from '../common/command_line';
import { loadMobyDick } from '../language_model/moby_dick';
import { loadTrainedModel } from '../language_model/trained_model';
import { lossByPosition, type PositionLoss } from './position_loss';

const help = `usage: npm run experiment:positions -- [options] [FOLDER ...]

Measures a trained demo's loss by position over long held-out text: what lies further back than the
attention's window helps only a memory. Compares any number of runs; to begin with, train two:

  npm run demo
  npm run demo -- --attention --out runs/attention

  FOLDER          what npm run demo wrote; runs/demo and runs/attention by default
  --tokens N      length of a text, 8192 bytes by default
  --out DIR       where the table, the chart and the figures go, runs/positions by default
  --backend NAME  the tfjs backend, fastweight-cpu by default
  --help          this text`;

interface Measured {
  run: string;
  memory: string;
  /** Bytes that the attention sees. */
  window: number;
  byPosition: PositionLoss[];
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseProgramOptions(args, {
    help: { type: 'boolean', short: 'h' },
    tokens: { type: 'string' },
    out: { type: 'string' },
    backend: { type: 'string' },
  });
  if (values.help) {
    console.log(help);
    return exitCodes.ok;
  }
  const { heldOut } = loadMobyDick();
  const tokens = positiveInteger('tokens', values.tokens ?? '8192');
  if (tokens >= heldOut.length) {
    const most = heldOut.length - 1;
    throw new UsageError(`Expected at most ${most} bytes for --tokens but got ${tokens}`);
  }
  const folders = positionals.length > 0 ? positionals : ['runs/demo', 'runs/attention'];
  const files = folders.map(checkpointIn);
  await useBackend(values.backend ?? 'fastweight-cpu');
  const measured = folders.map((run, at) => measure(run, files[at], heldOut, tokens));
  await report(measured, path.resolve(values.out ?? path.join('runs', 'positions')));
  return exitCodes.ok;
}

function checkpointIn(folder: string): string {
  const file = path.join(folder, 'checkpoint.safetensors');
  if (fs.existsSync(file)) return file;
  throw new UsageError(`Expected a run of the demo in ${folder} but got no ${file}`);
}

function measure(run: string, file: string, text: Uint8Array, tokens: number): Measured {
  const { model, settings } = loadTrainedModel(file);
  const { numLactHeads, windowSize = 0 } = settings.model;
  const memory = numLactHeads === 0 ? 'attention alone' : 'fast weights';
  const byPosition = lossByPosition(model, text, tokens);
  model.dispose();
  return { run, memory, window: windowSize, byPosition };
}

async function report(measured: Measured[], out: string): Promise<void> {
  const name = ({ memory, run }: Measured) => `${memory} (${run})`;
  const rows = measured[0].byPosition.map(({ from, to }, bin) => {
    const losses = measured.map(({ byPosition }) => byPosition[bin].bitsPerByte.toFixed(3));
    return `| ${from}-${to - 1} | ${losses.join(' | ')} |`;
  });
  const header = `| position | ${measured.map(name).join(' | ')} |`;
  const table = [header, `|${' --- |'.repeat(measured.length + 1)}`, ...rows].join('\n');
  const chart = await lineChartSvg({
    title: 'Loss by position in held-out text',
    xLabel: 'position [bytes]',
    yLabel: 'loss [bits per byte]',
    xScale: 'log',
    legend: 'below',
    series: measured.map((each) => ({
      name: name(each),
      points: each.byPosition.map(({ from, to, bitsPerByte }) => ({
        x: (from + to) / 2,
        y: bitsPerByte,
      })),
    })),
  });
  fs.mkdirSync(out, { recursive: true });
  const write = (file: string, text: string) => fs.writeFileSync(path.join(out, file), text);
  write('positions.md', `${table}\n`);
  write('positions.svg', chart);
  write('results.json', `${JSON.stringify(measured, null, 2)}\n`);
  console.log(table);
  console.log(`\nTable, chart and figures: ${path.relative('.', out) || '.'}`);
}

runProgram('experiment:positions', main);
