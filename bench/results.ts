import type { Shape } from './case';
import type { Machine } from './machine';
import type { Spread } from './statistics';

/** What one contender did in one case. */
export interface ContenderResult {
  name: string;
  /** 'failed': its results differ from ours, or ours could not be computed. */
  status: 'measured' | 'declined' | 'unavailable' | 'failed';
  /** Why it was not measured. */
  reason?: string;
  /** Greatest relative errors against our results. */
  difference?: { outputs: number; gradients: number };
  /** Seconds of each repetition, in the order of the rounds. */
  times?: number[];
  seconds?: Spread;
  gflops?: number;
  /** Of the case's bytes, where it counts them. */
  gigabytesPerSecond?: number;
  /** Share of the GEMM peak of this run. */
  shareOfPeak?: number;
  /** Peak resident bytes beyond the loaded inputs. */
  workingBytes?: number;
  /** Median over rounds of its time by ours; of memory the same of peaks. */
  timeRatio?: number;
  memoryRatio?: number;
}

/** A goal of the design on one case, and whether this run meets it. */
export interface GoalResult {
  goal: string;
  atLeast: number;
  measured: number;
  met: boolean;
  /** It asks for a share of the GEMM peak, not for a ratio. */
  isShare?: boolean;
}

export interface CaseResult {
  suite: string;
  name: string;
  shape: Shape;
  flops: number;
  bytes?: number;
  contenders: ContenderResult[];
  goals: GoalResult[];
}

/** One run of the benchmark: what `--json` writes. */
export interface Report {
  machine: Machine;
  /** GFLOP/s of the best GEMM in this run, and whose it is. */
  peak?: { gflops: number; contender: string };
  cases: CaseResult[];
}

export const measured = ({ contenders }: CaseResult): ContenderResult[] =>
  contenders.filter(({ status }) => status === 'measured');

export const failures = ({ cases }: Report): { name: string; contender: ContenderResult }[] =>
  cases.flatMap(({ name, contenders }) =>
    contenders
      .filter(({ status }) => status === 'failed')
      .map((contender) => ({ name, contender })),
  );
