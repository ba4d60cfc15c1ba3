import * as path from 'node:path';
import { parseArgs } from 'node:util';
import type { Comparison } from '../verify/compare';
import { formatLine, worst } from '../verify/format';
import type { CaseReport } from '../verify/run_case';
import { type VerifyReport, verify } from '../verify/verify';
import { type Command, exitCodes, type Output, UsageError } from './command';
import { defaultVerifyTarget, verifyTargets } from './verify_targets';

const packagedCases = path.join(__dirname, '..', '..', 'test', 'golden', 'cases');

const help = `usage: fastweight verify [--backend NAME] [--cases DIR] [--json]

Runs golden cases, computed in float64, on this machine and prints each case's worst output and
gradient error beside its tolerance. Errors are ||a - b|| / ||b||.

  --backend NAME  one of: ${[...verifyTargets.keys()].join(', ')} (default ${defaultVerifyTarget})
  --cases DIR     a folder of *.safetensors cases (default: those that come with the package)
  --json          prints one JSON object instead of lines; an error that is not finite is null

Exit code: 0 where every case passed, 1 where one failed or none could be computed, 2 where the
command line was wrong.`;

/** `fastweight verify`: runs a folder of golden cases and says how far each is off. */
export const verifyCommand: Command = {
  name: 'verify',
  summary: 'runs golden cases on this machine and prints their errors beside the tolerances',
  help,
  async run(args, output) {
    const options = parse(args);
    const target = verifyTargets.get(options.backend);
    if (target === undefined) {
      const names = [...verifyTargets.keys()].join(', ');
      throw new UsageError(`Expected one of ${names} for --backend but got '${options.backend}'`);
    }
    const report = await verify(options.cases, target.implementation, {
      backend: target.backend,
      onReport: (caseReport) => {
        if (!options.json) writeCase(caseReport, output);
      },
    });
    output.write(options.json ? JSON.stringify(toJson(report), null, 2) : summary(report));
    return report.passed ? exitCodes.ok : exitCodes.failed;
  },
};

function parse(args: readonly string[]): { backend: string; cases: string; json: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      backend: { type: 'string', default: defaultVerifyTarget },
      cases: { type: 'string', default: packagedCases },
      json: { type: 'boolean', default: false },
    },
  });
  return values as { backend: string; cases: string; json: boolean };
}

/** A line for the case, and under one that failed what differs. */
function writeCase(report: CaseReport, output: Output): void {
  output.write(formatLine(report));
  if (report.status === 'failed') output.write(report.message.replace(/^/gm, '    '));
}

function summary({ backend, reports }: VerifyReport): string {
  const count = (status: CaseReport['status']) =>
    reports.filter((report) => report.status === status).length;
  const failed = count('failed') + count('error');
  const unsupported = count('unsupported');
  const end = unsupported > 0 ? `, ${unsupported} unsupported` : '';
  return `${count('passed')} passed, ${failed} failed${end} on tfjs backend '${backend}'`;
}

function toJson({ backend, passed, reports }: VerifyReport): object {
  const brief = (comparison: Comparison | undefined) =>
    comparison && {
      name: comparison.name,
      error: comparison.error,
      tolerance: comparison.tolerance,
    };
  const cases = reports.map((report) => ({
    name: report.name,
    kind: report.kind,
    status: report.status,
    output: brief(worst(report, 'output')),
    gradient: brief(worst(report, 'gradient')),
    medianGradient: report.medianGradient,
    message: report.message,
  }));
  return { backend, passed, cases };
}
