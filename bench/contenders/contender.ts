import type { Case } from '../case';
import type { Memory } from '../task';

/** What a run gives every contender. */
export interface Setting {
  threads: number;
  /** Safetensors file of the case's inputs. */
  inputs: string;
  /** Where the contender writes its results, a safetensors file. */
  results: string;
  /** Whether the results of others are compared with these. */
  compared: boolean;
}

/** A contender at work on one case, one repetition at a time. */
export interface Running {
  /** Does one repetition (several of a quick case); seconds of one. */
  run(): Promise<number>;
  /** Left out where a contender cannot know. */
  memory?(): Promise<Memory>;
  /**
   * Where it runs in reduced precision, the relative errors of its results by name. What it wrote is
   * exact then, and rivals are held to these errors.
   */
  errors?: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** An implementation to measure. */
export interface Contender {
  readonly name: string;
  /** It takes the case's tensors themselves: `inputs` is not written for it. */
  readonly inProcess?: boolean;
  /** Why it does not take part in this case, or undefined where it does. */
  declines(benchCase: Case): string | undefined;
  /** Starts it, computes the results once and writes them. */
  start(benchCase: Case, setting: Setting): Promise<Running>;
}
