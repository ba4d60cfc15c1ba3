import type { Case } from './case';
import { contendersOf } from './contenders';
import type { Contender } from './contenders/contender';
import { describeMachine } from './machine';
import { help, type Options, parseOptions } from './options';
import { profileTrainStep } from './profile';
import { caseText, machineText, peakText } from './report/text';
import { writeAll } from './report/write';
import { pointAtAddon } from './repository';
import { failures, measured, type Report } from './results';
import { runCase } from './run_case';
import { gemmCase, peakShape, quickPeakShape } from './suites/gemm';
import { UsageError } from './usage_error';

/** No further round of a case starts after these seconds, but three there are. */
const budgetSeconds = { full: 90, quick: 5 };

function casesOf({ suites, shape, quick, filter }: Options): Case[] {
  return suites
    .flatMap((suite) => {
      const shapes = quick ? suite.quick : suite.shapes;
      const chosen = shape === undefined ? shapes : [{ ...shapes[0], ...shape }];
      return chosen.flatMap((each) => suite.cases(each));
    })
    .filter(({ name }) => name.includes(filter));
}

/** The best GEMM of ours and the BLAS libraries', on the largest square. */
async function measurePeak(
  contenders: readonly Contender[],
  options: Options,
): Promise<Report['peak']> {
  const benchCase = gemmCase(options.quick ? quickPeakShape : peakShape);
  const [ours, ...rivals] = contenders;
  const blas = rivals.slice(0, options.blas.length);
  const { threads, rounds, quick } = options;
  const result = await runCase(benchCase, [ours, ...blas], {
    threads,
    rounds,
    budgetSeconds: quick ? 1 : 10,
  });
  const rates = measured(result).map(({ name, times = [] }) => ({
    contender: name,
    gflops: benchCase.flops / Math.min(...times) / 1e9,
  }));
  return rates.sort((a, b) => b.gflops - a.gflops)[0];
}

/** Overwrites the last line of a terminal with what is being done. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

async function measureAll(options: Options, cases: readonly Case[]): Promise<Report> {
  const { threads, rounds, quick } = options;
  const contenders = contendersOf(options);
  const report: Report = { machine: describeMachine(threads), cases: [] };
  console.log(machineText(report.machine));
  report.peak = await measurePeak(contenders, options);
  if (report.peak) console.log(peakText(report.peak));
  console.log('');
  for (const benchCase of cases) {
    const result = await runCase(benchCase, contenders, {
      threads,
      rounds,
      budgetSeconds: quick ? budgetSeconds.quick : budgetSeconds.full,
      peak: report.peak?.gflops,
      onProgress: progress,
    });
    progress('');
    console.log(caseText(result));
    report.cases.push(result);
  }
  shareBest(report, await measurePeak(contenders, options));
  return report;
}

/** Takes the peak measured last where it is the higher one: what else runs can only lower it. */
function shareBest(report: Report, last: Report['peak']): void {
  if (last === undefined || last.gflops <= (report.peak?.gflops ?? 0)) return;
  report.peak = last;
  console.log(`At the end: ${peakText(last)}. Written results give shares of that.`);
  for (const contender of report.cases.flatMap(measured)) {
    contender.shareOfPeak = (contender.gflops as number) / last.gflops;
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.some((arg) => arg.startsWith('--device'))) {
    const { runOnCuda } = await import('./cuda/bench_on_cuda.js');
    pointAtAddon();
    return runOnCuda(args);
  }
  const options = parseOptions(args);
  if (options.help) {
    console.log(help);
    return 0;
  }
  const cases = casesOf(options);
  if (cases.length === 0)
    throw new UsageError(`Expected a case whose name has '${options.filter}'`);
  pointAtAddon();
  if (options.profile) {
    for (const benchCase of cases) console.log(await profileTrainStep(benchCase, options));
    return 0;
  }
  const report = await measureAll(options, cases);
  for (const file of await writeAll(report, options)) console.log(`wrote ${file}`);
  const failed = failures(report);
  for (const { name, contender } of failed) {
    console.error(`FAILED: ${name}: ${contender.name}: ${contender.reason}`);
  }
  return failed.length > 0 ? 1 : 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const usage = error instanceof UsageError;
    console.error(usage ? `${error.message}. See npm run bench -- --help` : error);
    process.exitCode = usage ? 2 : 1;
  },
);
