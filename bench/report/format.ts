import type { Spread } from '../statistics';

/** Seconds with a unit that suits them: '676 ms'. */
export function formatSeconds(seconds: number): string {
  if (seconds >= 10) return `${seconds.toFixed(1)} s`;
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 1e-3) return `${(1e3 * seconds).toPrecision(3)} ms`;
  return `${(1e6 * seconds).toPrecision(3)} us`;
}

/** The quartiles beside the median: '-1% +3%'. */
export function formatSpread({ median, lower, upper }: Spread): string {
  const share = (value: number) => Math.abs((100 * (value - median)) / median).toFixed(0);
  return `-${share(lower)}% +${share(upper)}%`;
}

export function formatFlops(flops: number): string {
  if (flops >= 1e12) return `${(flops / 1e12).toPrecision(3)} TFLOP`;
  return flops >= 1e9
    ? `${(flops / 1e9).toPrecision(3)} GFLOP`
    : `${(flops / 1e6).toPrecision(3)} MFLOP`;
}

export const formatFlopRate = (gflops: number): string =>
  gflops >= 1e4 ? `${(gflops / 1e3).toFixed(1)} TFLOP/s` : `${gflops.toFixed(1)} GFLOP/s`;

export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toPrecision(3)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e3).toPrecision(3)} kB`;
}

export const formatMebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const formatRatio = (ratio: number): string => `${ratio.toPrecision(3)}x`;

export const formatPercent = (share: number): string => `${(100 * share).toFixed(0)}%`;

/** A table as markdown, its columns padded so that it reads as text too; the first is to the left. */
export function formatTable(header: readonly string[], rows: readonly string[][]): string {
  const widths = header.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => row[column].length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])))
      .join(' | ')} |`;
  const rule = widths.map((width, at) =>
    at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}
