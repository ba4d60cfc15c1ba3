// npm run bench -- --device cuda: rates on a GPU, each beside what the GPU reached at best.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import '../../src/kernels/register';
import { cudaBackendName } from '../../src/backend/register';
import { cudaReport } from '../../src/native/cuda_device';
import { median } from '../statistics';
import { type CudaCase, casesOf, measure } from './cases';

const help = `usage: npm run bench -- --device cuda [options]

Times operations by the GPU's own clock: medians of rounds, with TFLOP/s or GB/s and, for products,
the share of the best rate that cuBLAS reached in this run with the same precision.

  --backend NAME   the backend (default ${cudaBackendName})
  --case TEXT      only cases whose name has TEXT in it, besides those that set the peak
  --rounds N       repetitions (default 10)
  --quick          small shapes: shows that everything works, not how fast it is
  --json FILE      writes all figures`;

interface Figure {
  name: string;
  precision: string;
  milliseconds: number;
  teraflops?: number;
  gigabytesPerSecond?: number;
  /** Of the best product with this precision in this run. */
  shareOfPeak?: number;
}

function figureOf(benchCase: CudaCase, times: number[], peaks: Map<string, number>): Figure {
  const { name, precision, flops, bytes } = benchCase;
  const milliseconds = median(times);
  if (bytes > 0) {
    return { name, precision, milliseconds, gigabytesPerSecond: bytes / milliseconds / 1e6 };
  }
  const teraflops = flops / milliseconds / 1e9;
  if (name.startsWith('gemm')) {
    peaks.set(precision, Math.max(teraflops, peaks.get(precision) ?? 0));
  }
  const peak = peaks.get(precision);
  return {
    name,
    precision,
    milliseconds,
    teraflops,
    shareOfPeak: peak === undefined ? undefined : teraflops / peak,
  };
}

function lineOf(figure: Figure): string {
  const { name, precision, milliseconds, teraflops, gigabytesPerSecond, shareOfPeak } = figure;
  const rate =
    gigabytesPerSecond !== undefined
      ? `${gigabytesPerSecond.toFixed(0)} GB/s`
      : `${(teraflops ?? 0).toFixed(2)} TFLOP/s`;
  const share = shareOfPeak === undefined ? '' : `  ${(100 * shareOfPeak).toFixed(0)} % of peak`;
  return `${milliseconds.toFixed(3).padStart(10)} ms  ${rate.padStart(16)}${share}  ${precision}  ${name}`;
}

/** Runs the command line `args`; resolves to the exit code. */
export async function benchOnCuda(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      device: { type: 'string', default: 'cuda' },
      backend: { type: 'string', default: cudaBackendName },
      case: { type: 'string', default: '' },
      rounds: { type: 'string', default: '10' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const rounds = Number(values.rounds);
  if (values.device !== 'cuda' || !Number.isSafeInteger(rounds) || rounds < 1) {
    console.error('Expected --device cuda and a positive number of --rounds. See --help');
    return 2;
  }
  if (!(await tf.setBackend(values.backend))) return 1;
  const machine = values.backend.startsWith(cudaBackendName) ? cudaReport() : undefined;
  for (const { name } of machine?.processors ?? []) console.log(`GPU: ${name}`);
  const peaks = new Map<string, number>();
  const figures: Figure[] = [];
  for (const benchCase of casesOf(values.quick)) {
    const setsPeak = benchCase.name.startsWith('gemm');
    if (!setsPeak && !benchCase.name.includes(values.case)) continue;
    const figure = figureOf(benchCase, measure(benchCase, rounds), peaks);
    figures.push(figure);
    console.log(lineOf(figure));
  }
  if (values.json) {
    const text = JSON.stringify({ date: new Date().toISOString(), machine, figures }, null, 2);
    writeFileSync(values.json, `${text}\n`);
  }
  return 0;
}
