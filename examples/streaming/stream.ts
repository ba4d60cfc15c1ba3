import * as tf from '@tensorflow/tfjs-core';
import { Presets, SingleBar } from 'cli-progress';
import type { LanguageModelSession } from 'fastweight';

/** What is measured after so many tokens of the prompt. */
export interface Measured {
  tokens: number;
  /** Milliseconds a token, read since the measurement before. */
  readMs: number;
  /** Milliseconds to read one token by itself and predict the next, as writing does. */
  stepMs: number;
  /** Bytes that the session holds. */
  sessionBytes: number;
  /** Bytes of all tensors of the process, the model's parameters included. */
  nativeBytes: number;
}

/** Measurements of a prompt. */
const measurements = 50;
/** Single steps, of which the fastest counts: what else the machine does only slows them down. */
const steps = 15;

const nativeBytes = () => (tf.memory() as tf.MemoryInfo & { nativeBytes: number }).nativeBytes;

/**
 * Reads the prompt and measures on the way.
 *
 * @returns the measurements, and the logits [1, vocabSize] after the prompt
 */
export async function readPrompt(
  session: LanguageModelSession,
  prompt: Uint8Array,
): Promise<{ measured: Measured[]; logits: tf.Tensor2D }> {
  const progress = new Progress(prompt.length);
  const measured: Measured[] = [];
  let logits: tf.Tensor2D | undefined;
  try {
    for (let part = 0; part < measurements; part++) {
      const [start, end] = [part, part + 1].map((at) =>
        Math.round((at * prompt.length) / measurements),
      );
      if (end === start) continue;
      logits?.dispose();
      const before = performance.now();
      logits = session.prefill([prompt.subarray(start, end)]);
      logits.dataSync();
      const readMs = (performance.now() - before) / (end - start);
      measured.push({
        tokens: end,
        readMs,
        stepMs: stepTime(session),
        sessionBytes: session.bytes,
        nativeBytes: nativeBytes(),
      });
      progress.update(measured[measured.length - 1]);
      // Signals and the bar get their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    progress.stop();
  }
  return { measured, logits: logits as tf.Tensor2D };
}

/** The time of the fastest step, taken by a fork, so that the session reads the prompt alone. */
function stepTime(session: LanguageModelSession): number {
  const fork = session.fork();
  const times = Array.from({ length: steps }, () => {
    const before = performance.now();
    const logits = fork.step([32]);
    logits.dataSync();
    logits.dispose();
    return performance.now() - before;
  });
  fork.dispose();
  return Math.min(...times);
}

/** A bar on a terminal; elsewhere a line now and then, so that logs read well. */
class Progress {
  private readonly bar: SingleBar | undefined;
  private lastTenth = 0;

  constructor(private readonly total: number) {
    if (!process.stdout.isTTY) return;
    const format = '{bar} {percentage}% | {value}/{total} bytes read | {figures}';
    this.bar = new SingleBar({ format, barsize: 24, hideCursor: true }, Presets.shades_classic);
    this.bar.start(total, 0, { figures: '' });
  }

  update(measured: Measured): void {
    const { tokens, sessionBytes, readMs, stepMs } = measured;
    const held = `${(sessionBytes / 1024).toFixed(0)} KiB held`;
    const figures = `${held}, ${readMs.toFixed(3)} ms a byte read, ${stepMs.toFixed(2)} ms a step`;
    this.bar?.update(tokens, { figures });
    const tenth = Math.floor((10 * tokens) / this.total);
    if (this.bar || tenth <= this.lastTenth) return;
    this.lastTenth = tenth;
    console.log(`${`${tokens}`.padStart(`${this.total}`.length)} bytes: ${figures}`);
  }

  stop(): void {
    this.bar?.stop();
  }
}
