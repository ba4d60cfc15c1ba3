/** Where a command writes: lines for people or programs, and lines about trouble. */
export interface Output {
  write(line: string): void;
  writeError(line: string): void;
}

/** Exit codes: all is well; the work failed; the command line was wrong. */
export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

/** A command of `fastweight`, as `fastweight <name> [options]`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `fastweight <name> --help` prints. */
  readonly help: string;
  /** Runs with the arguments after the command's name; resolves to the exit code. */
  run(args: readonly string[], output: Output): Promise<number>;
}

/** A command line that a command cannot make sense of; ends in exit code 2 and a hint to --help. */
export class UsageError extends Error {}
