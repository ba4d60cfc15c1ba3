// npm run bench -- --device cuda: rates on a GPU beside what it reached at best, and beside rivals.
import os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import '../../src/kernels/register';
import { cudaBackendName } from '../../src/backend/register';
import { cudaReport } from '../../src/native/cuda_device';
import type { Case } from '../case';
import type { Contender } from '../contenders/contender';
import { describeMachine } from '../machine';
import { caseText, goalsText, machineText, peakText } from '../report/text';
import { writeAll } from '../report/write';
import { type CaseResult, failures, measured, type Report } from '../results';
import { runCase } from '../run_case';
import { UsageError } from '../usage_error';
import { casesOf } from './cases';
import { type CudaOptions, cudaHelp, parseCudaOptions } from './options';
import { ourContender } from './our_contender';
import { rivalsOf } from './rivals';

/** No further round of a case starts after these seconds, but three there are. */
const budgetSeconds = 60;

type Peak = NonNullable<Report['peak']>;

/** The best rate of each precision so far. */
class Peaks {
  private readonly best = new Map<string, Peak>();

  of({ precision = 'float32' }: Pick<Case, 'precision'>): Peak | undefined {
    return this.best.get(precision);
  }

  /** Takes note of a product's rates. */
  add(benchCase: Case, result: CaseResult): void {
    const { precision = 'float32' } = benchCase;
    for (const { name, times = [] } of measured(result)) {
      const gflops = benchCase.flops / Math.min(...times) / 1e9;
      if (gflops > (this.of(benchCase)?.gflops ?? 0)) {
        this.best.set(precision, { gflops, contender: `${name}, ${precision}` });
      }
    }
  }

  /** Works out the shares of a product that was measured before the peak was known. */
  share(benchCase: Case, result: CaseResult): void {
    const peak = this.of(benchCase);
    if (peak === undefined) return;
    for (const contender of measured(result)) {
      contender.shareOfPeak = (contender.gflops as number) / peak.gflops;
    }
  }
}

async function measureAll(options: CudaOptions, contenders: readonly Contender[]): Promise<Report> {
  const threads = os.availableParallelism();
  const isCuda = options.backend.startsWith(cudaBackendName);
  const [gpu] = isCuda ? cudaReport().processors : [];
  const report: Report = {
    machine: { ...describeMachine(threads), gpu: gpu?.name },
    cases: [],
  };
  console.log(`${machineText(report.machine)}\n`);
  const run = (benchCase: Case, peak?: Peak) =>
    runCase(benchCase, contenders, {
      threads,
      rounds: options.rounds,
      budgetSeconds,
      peak: peak?.gflops,
    });

  const { gemm, rest } = casesOf(options.quick);
  const peaks = new Peaks();
  for (const benchCase of gemm) {
    const result = await run(benchCase);
    peaks.add(benchCase, result);
    report.cases.push(result);
  }
  gemm.forEach((benchCase, at) => {
    peaks.share(benchCase, report.cases[at]);
    console.log(caseText(report.cases[at]));
  });
  report.peak = peaks.of({ precision: 'bfloat16' });
  if (report.peak) console.log(`${peakText(report.peak)}\n`);
  for (const benchCase of rest.filter(({ name }) => name.includes(options.filter))) {
    const result = await run(benchCase, peaks.of(benchCase));
    report.cases.push(result);
    console.log(caseText(result));
  }
  console.log(goalsText(report));
  return report;
}

/** Runs the command line `args`; resolves to the exit code. */
export async function benchOnCuda(args: readonly string[]): Promise<number> {
  const options = parseCudaOptions(args);
  if (options.help) {
    console.log(cudaHelp);
    return 0;
  }
  if (!(await tf.setBackend(options.backend))) return 1;
  const contenders = [ourContender(), ...rivalsOf(options)];
  const report = await measureAll(options, contenders);
  for (const file of await writeAll(report, options)) console.log(`wrote ${file}`);
  const failed = failures(report);
  for (const { name, contender } of failed) {
    console.error(`FAILED: ${name}: ${contender.name}: ${contender.reason}`);
  }
  return failed.length > 0 ? 1 : 0;
}

/** {@link benchOnCuda} as a program: prints what is wrong with a command line. */
export async function runOnCuda(args: readonly string[]): Promise<number> {
  try {
    return await benchOnCuda(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}. See --help`);
    return 2;
  }
}
