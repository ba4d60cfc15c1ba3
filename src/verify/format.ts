import type { Comparison } from './compare';
import type { CaseReport } from './run_case';

/** The comparison of a group whose error is the greatest share of its tolerance. */
export function worst(
  { comparisons }: CaseReport,
  group: Comparison['group'],
): Comparison | undefined {
  let found: Comparison | undefined;
  for (const candidate of comparisons) {
    // Written so that an error that is not a number is the worst.
    if (candidate.group === group && !(share(candidate) <= (found ? share(found) : -1))) {
      found = candidate;
    }
  }
  return found;
}

const share = ({ error, tolerance }: Comparison) => error / tolerance;

function column(comparison: Comparison | undefined): string {
  if (!comparison) return ''.padEnd(42);
  const { name, error, tolerance, plainError } = comparison;
  const numbers = `${error.toExponential(1)} of ${tolerance.toExponential(1)}`;
  const plain = plainError === undefined ? '' : `, plain ${plainError.toExponential(1)}`;
  return `${numbers}${plain} ${name}`.padEnd(42);
}

/**
 * One line on a case: status, worst output and gradient error beside their tolerances and, in reduced
 * precision, the plain evaluations' errors.
 */
export function formatLine(report: CaseReport): string {
  const start = `${report.status.padEnd(11)} ${report.name.padEnd(36)}`;
  if (report.comparisons.length === 0) return `${start} ${report.message}`;
  const columns = `${column(worst(report, 'output'))} ${column(worst(report, 'gradient'))}`;
  return `${start} ${columns}`.trimEnd();
}
