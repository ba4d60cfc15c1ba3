import type { Case } from '../case';
import type { Memory } from '../task';

/** What a run gives every contender. */
export interface Setting {
  threads: number;
  /** Safetensors file of the case's inputs. */
  inputs: string;
  /** Where the contender writes its results, a safetensors file. */
  results: string;
}

/** A contender at work on one case, one repetition at a time. */
export interface Running {
  /** Does one repetition (several of a quick case); seconds of one. */
  run(): Promise<number>;
  memory(): Promise<Memory>;
  stop(): Promise<void>;
}

/** An implementation to measure. */
export interface Contender {
  readonly name: string;
  /** Why it does not take part in this case, or undefined where it does. */
  declines(benchCase: Case): string | undefined;
  /** Starts it, computes the results once and writes them. */
  start(benchCase: Case, setting: Setting): Promise<Running>;
}
