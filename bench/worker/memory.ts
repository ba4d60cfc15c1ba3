import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** A line of /proc/self/status in bytes, or undefined where there is no such file. */
function statusBytes(name: string): number | undefined {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    return 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  } catch {
    return undefined;
  }
}

/** Resident bytes once what is garbage is gone. */
export function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

/** Lets the peak start anew; elsewhere than on Linux it stays that of the process so far. */
export function resetPeak(): void {
  globalThis.gc?.();
  if (existsSync('/proc/self/clear_refs')) writeFileSync('/proc/self/clear_refs', '5');
}

export const peakBytes = (): number =>
  statusBytes('VmHWM') ?? 1024 * process.resourceUsage().maxRSS;
