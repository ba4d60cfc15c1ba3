import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readSafetensors, writeSafetensors } from '../src/io/safetensors';
import type { Case } from './case';
import { compare, type Difference, ownDifference, type ToleranceOf, tolerances } from './compare';
import type { Contender, Running } from './contenders/contender';
import { judge } from './goals';
import type { CaseResult, ContenderResult } from './results';
import { medianRatio, spread } from './statistics';

export interface RunOptions {
  threads: number;
  /** Rounds at most; contenders take turns within each. */
  rounds: number;
  /** No further round starts after these seconds, once there were three. */
  budgetSeconds: number;
  /** GFLOP/s to give shares of. */
  peak?: number;
  /** Called as each contender comes to be ready. */
  onProgress?: (text: string) => void;
}

const leastRounds = 3;

/** A contender of this case and what is known of it. */
interface Entry {
  result: ContenderResult;
  running?: Running;
}

/**
 * Measures one case: starts every contender, compares its results with ours, which are those of
 * `contenders[0]`, and lets those that agree take turns.
 */
export async function runCase(
  benchCase: Case,
  contenders: readonly Contender[],
  options: RunOptions,
): Promise<CaseResult> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fastweight-bench-'));
  const entries: Entry[] = [];
  try {
    if (contenders.some(({ inProcess }) => !inProcess)) {
      writeSafetensors(path.join(folder, 'inputs'), { tensors: benchCase.inputs(), metadata: {} });
    }
    const compared = contenders.length > 1;
    for (const contender of contenders) {
      options.onProgress?.(`${benchCase.name}: ${contender.name}`);
      const setting = { folder, threads: options.threads, compared };
      entries.push(await enter(benchCase, contender, setting, entries[0]));
      if (entries[0].running === undefined) break; // nothing to compare with
    }
    options.onProgress?.(`${benchCase.name}: measuring`);
    await takeTurns(entries, options);
    for (const entry of entries) await finish(benchCase, entry, entries[0].result, options);
  } finally {
    await Promise.all(entries.map(({ running }) => running?.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
  const { suite, name, shape, flops, bytes } = benchCase;
  const results = entries.map(({ result }) => result);
  const goals = judge({ name, contenders: results });
  return { suite, name, shape, flops, bytes, contenders: results, goals };
}

/** How many times as far off as our reduced precision a rival's may be, where the case allows less. */
const asFarOff = 3;

function toleranceOf({ tolerance }: Case, { errors }: Running): ToleranceOf {
  const least = tolerances(tolerance);
  return (name) => Math.max(asFarOff * (errors?.get(name) ?? 0), least(name));
}

/**
 * Starts a contender and compares its results with those of `ours`, which is undefined while that is
 * the one to start. Only our own failing to start is a failure.
 */
async function enter(
  benchCase: Case,
  contender: Contender,
  { folder, threads, compared }: { folder: string; threads: number; compared: boolean },
  ours: Entry | undefined,
): Promise<Entry> {
  const { name } = contender;
  const reason = contender.declines(benchCase);
  if (reason !== undefined) return { result: { name, status: 'declined', reason } };
  const results = path.join(folder, name);
  let running: Running;
  try {
    const inputs = path.join(folder, 'inputs');
    running = await contender.start(benchCase, { threads, inputs, results, compared });
  } catch (error) {
    const status = ours === undefined ? 'failed' : 'unavailable';
    return { result: { name, status, reason: (error as Error).message } };
  }
  if (!compared) return { result: { name, status: 'measured', times: [] }, running };
  const { problems, ...difference } = differenceOf(benchCase, running, results, ours);
  if (problems.length > 0) {
    await running.stop();
    const listed = problems.slice(0, 3).join('; ');
    return { result: { name, status: 'failed', reason: listed, difference } };
  }
  return { result: { name, status: 'measured', difference, times: [] }, running };
}

/** Our own results are compared with themselves, which shows where one is not a number. */
function differenceOf(
  benchCase: Case,
  running: Running,
  results: string,
  ours: Entry | undefined,
): Difference {
  if (ours === undefined && running.errors !== undefined) return ownDifference(running.errors);
  const expected = path.join(path.dirname(results), ours?.result.name ?? path.basename(results));
  const [theirs, exact] = [results, expected].map((file) => readSafetensors(file).tensors);
  return compare(theirs, exact, toleranceOf(benchCase, ours?.running ?? running));
}

/**
 * Rounds in which each contender does one repetition. Slow ones sit out once they have had
 * `leastRounds` and their share of the time.
 */
async function takeTurns(entries: readonly Entry[], options: RunOptions): Promise<void> {
  const share = options.budgetSeconds / Math.max(1, entries.length);
  const spent = new Map<Entry, number>();
  const playing = entries.filter(({ running }) => running !== undefined);
  for (let round = 0; round < options.rounds; round++) {
    for (const entry of playing) {
      const before = spent.get(entry) ?? 0;
      if (round >= leastRounds && before > share) continue;
      const start = performance.now();
      const seconds = await (entry.running as Running).run();
      entry.result.times?.push(seconds);
      spent.set(entry, before + (performance.now() - start) / 1000);
    }
    // A rival's time stands beside ours of the same round.
    if (round >= leastRounds && (spent.get(playing[0]) ?? 0) > share) return;
  }
}

/** Works out the figures of one contender; `ours` has been worked out before. */
async function finish(
  { flops, bytes }: Case,
  { result, running }: Entry,
  ours: ContenderResult,
  { peak }: RunOptions,
): Promise<void> {
  if (running === undefined || result.times === undefined) return;
  result.seconds = spread(result.times);
  result.gflops = flops / result.seconds.median / 1e9;
  if (bytes !== undefined) result.gigabytesPerSecond = bytes / result.seconds.median / 1e9;
  if (peak !== undefined && flops > 0) result.shareOfPeak = result.gflops / peak;
  const memory = await running.memory?.();
  if (memory) result.workingBytes = Math.max(0, memory.peakBytes - memory.baselineBytes);
  if (result === ours || ours.times === undefined) return;
  result.timeRatio = medianRatio(result.times, ours.times);
  if (ours.workingBytes && result.workingBytes !== undefined) {
    result.memoryRatio = result.workingBytes / ours.workingBytes;
  }
}
