import type { MatmulPrecision } from '../src/backend/matmul_precision';
import type { LanguageModelConfig } from '../src/models/language_model_config';
import type { FastWeightScanOptions } from '../src/ops/fast_weight_scan';
import type { NewtonSchulzMethod } from '../src/ops/newton_schulz';
import type { Program } from '../src/ops/programs';

/** What a contender computes. It crosses to child processes as JSON; tensors go through files. */
export type Task =
  | { operation: 'matMul'; transposeA: boolean; transposeB: boolean }
  | { operation: 'double' } // y = x + x: what memory gives and takes
  | { operation: 'newtonSchulz'; schedule: string; method?: NewtonSchulzMethod }
  | { operation: 'scan'; backward: boolean; program: Program; options: FastWeightScanOptions }
  | { operation: 'attention'; backward: boolean; window: number }
  | { operation: 'prefill' | 'trainStep' | 'readPrompt' | 'decode'; config: LanguageModelConfig };

/** Times of one repetition and peaks of memory, as a contender reports them. */
export interface Memory {
  /** Resident bytes before the first run, inputs loaded. */
  baselineBytes: number;
  /** The most resident bytes since. */
  peakBytes: number;
}

/** What a child is told, one JSON object a line. It ends when its input does. */
export type Command =
  | {
      command: 'prepare';
      task: Task;
      inputs: string;
      results: string;
      threads: number;
      precision?: MatmulPrecision;
    }
  | { command: 'run' }
  | { command: 'memory' };

/** What a child answers: one line that starts with `answerMark`, then JSON. */
export type Answer =
  | { error: string }
  | { prepared: true }
  | { seconds: number }
  | ({ error?: undefined } & Memory);

/** Lines of a child without this mark are what its libraries print. */
export const answerMark = '@bench ';
