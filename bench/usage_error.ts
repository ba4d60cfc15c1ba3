/** A command line that makes no sense; ends in exit code 2. */
export class UsageError extends Error {}
