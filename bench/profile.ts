import * as tf from '@tensorflow/tfjs-core';
import type { FastWeightBackend } from '../src/backend/fastweight_backend';
import { cpuBackendName } from '../src/backend/register';
import type { Case } from './case';
import type { Options } from './options';
import { type KernelUse, profileText } from './report/profile_text';
import { nativeLibrary } from './worker/native_library';
import { prepare } from './worker/operations';

/** What the running kernel has used so far; kernels may call others, so there is a stack. */
interface Frame {
  use: KernelUse;
  /** Milliseconds of the kernels that it called. */
  inner: number;
}

/** Counts the time of every kernel and native call from its making to `remove`. */
class KernelClock {
  readonly uses = new Map<string, KernelUse>();
  private readonly stack: Frame[] = [];
  private readonly restore: (() => void)[] = [];

  constructor() {
    for (const kernel of tf.getKernelsForBackend(cpuBackendName)) {
      this.replaceKernel(kernel, {
        ...kernel,
        kernelFunc: (args) => this.timeKernel(kernel.kernelName, () => kernel.kernelFunc(args)),
      });
      this.restore.push(() => this.replaceKernel(kernel, kernel));
    }
    this.wrapAddon();
  }

  remove(): void {
    for (const undo of this.restore) undo();
  }

  private replaceKernel(old: tf.KernelConfig, replacement: tf.KernelConfig): void {
    tf.unregisterKernel(old.kernelName, cpuBackendName);
    tf.registerKernel(replacement);
  }

  private timeKernel<T>(name: string, run: () => T): T {
    const use = this.uses.get(name) ?? { name, calls: 0, milliseconds: 0, native: 0 };
    this.uses.set(name, use);
    const frame: Frame = { use, inner: 0 };
    this.stack.push(frame);
    const start = performance.now();
    try {
      return run();
    } finally {
      const elapsed = performance.now() - start;
      this.stack.pop();
      use.calls++;
      use.milliseconds += elapsed - frame.inner;
      const caller = this.stack.at(-1);
      if (caller !== undefined) caller.inner += elapsed;
    }
  }

  /** Every function of the addon adds its time to the kernel that calls it. */
  private wrapAddon(): void {
    const { addon: functions } = tf.backend() as FastWeightBackend;
    const addon = functions as unknown as Record<string, unknown>;
    for (const [name, original] of Object.entries(addon)) {
      if (typeof original !== 'function') continue;
      addon[name] = (...args: unknown[]) => {
        const start = performance.now();
        try {
          return original.apply(addon, args);
        } finally {
          const frame = this.stack.at(-1);
          if (frame !== undefined) frame.use.native += performance.now() - start;
        }
      };
      this.restore.push(() => {
        addon[name] = original;
      });
    }
  }
}

/** Where the time of a train step goes: native code and JavaScript of each kernel, and the rest. */
export async function profileTrainStep(benchCase: Case, options: Options): Promise<string> {
  const library = await nativeLibrary(options.threads);
  const { fallbackCounts, resetFallbackCounts } = await import('../src/backend/host_fallback.js');
  const inputs = Object.fromEntries(
    [...benchCase.inputs()].map(([name, { data, shape, dtype }]) => [
      name,
      tf.tensor(data, shape, dtype),
    ]),
  );
  const { run } = prepare(benchCase.task, inputs, library);
  run(); // the optimizer makes its state at its first step
  run();
  resetFallbackCounts();
  const plain = timeSteps(run, options.rounds);
  const fallbacks = fallbackCounts();
  const clock = new KernelClock();
  const watched = timeSteps(run, options.rounds);
  clock.remove();
  return profileText({
    name: benchCase.name,
    steps: options.rounds,
    stepMilliseconds: plain / options.rounds,
    watchedMilliseconds: watched / options.rounds,
    uses: [...clock.uses.values()],
    fallbacks,
  });
}

function timeSteps(run: () => void, steps: number): number {
  const start = performance.now();
  for (let step = 0; step < steps; step++) run();
  return performance.now() - start;
}
