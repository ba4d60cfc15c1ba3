import { formatPercent, formatTable } from './format';

/** What a kernel used over all steps, in milliseconds: by itself, and of that in native code. */
export interface KernelUse {
  name: string;
  calls: number;
  milliseconds: number;
  native: number;
}

export interface Profile {
  name: string;
  steps: number;
  /** Of a step as it is, and of one while its kernels are timed. */
  stepMilliseconds: number;
  watchedMilliseconds: number;
  uses: KernelUse[];
  /** Calls of kernels that ran on the host, over all steps. */
  fallbacks: Record<string, number>;
}

const header = ['kernel', 'calls', 'ms', 'native ms', 'JavaScript ms', 'share'];

/** A table of a step's kernels by share, with the JavaScript between them as a line of its own. */
export function profileText(profile: Profile): string {
  const { name, steps, stepMilliseconds, watchedMilliseconds, uses, fallbacks } = profile;
  const row = (title: string, calls: string, milliseconds: number, native: number) => [
    title,
    calls,
    milliseconds.toFixed(3),
    native.toFixed(3),
    (milliseconds - native).toFixed(3),
    formatPercent(milliseconds / watchedMilliseconds),
  ];
  const sum = (of: (use: KernelUse) => number) =>
    uses.reduce((total, use) => total + of(use) / steps, 0);
  const [inKernels, inNative] = [sum((use) => use.milliseconds), sum((use) => use.native)];
  const lines = [
    ...uses.map((use) => ({ ...use, calls: (use.calls / steps).toFixed(0) })),
    {
      name: 'JavaScript between kernels',
      calls: '',
      milliseconds: steps * (watchedMilliseconds - inKernels),
      native: 0,
    },
  ].sort((a, b) => b.milliseconds - a.milliseconds);
  const rows = lines.map((use) =>
    row(use.name, use.calls, use.milliseconds / steps, use.native / steps),
  );
  const host = Object.entries(fallbacks).map(
    ([kernel, calls]) => `- on the host: ${kernel}, ${(calls / steps).toFixed(1)} calls a step`,
  );
  return [
    `### ${name}`,
    '',
    `A step takes ${stepMilliseconds.toFixed(1)} ms (mean of ${steps}), ${watchedMilliseconds.toFixed(1)} ms while its kernels are timed.`,
    '',
    formatTable(header, [...rows, row('all', '', watchedMilliseconds, inNative)]),
    '',
    ...(host.length > 0 ? host : ['No kernel ran on the host.']),
    '',
  ].join('\n');
}
