import * as path from 'node:path';
import { parseArgs } from 'node:util';
import type { MatmulPrecision } from '../backend/matmul_precision';
import { matmulPrecisions } from '../native/device_addon';
import type { Comparison } from '../verify/compare';
import { reducedContract } from '../verify/contract';
import { formatLine, worst } from '../verify/format';
import type { CaseReport } from '../verify/run_case';
import { type VerifyReport, verify } from '../verify/verify';
import { type Command, exitCodes, type Output, UsageError } from './command';
import { defaultVerifyTarget, verifyTargets } from './verify_targets';

const precisions = Object.keys(matmulPrecisions) as MatmulPrecision[];
const packagedCases = path.join(__dirname, '..', '..', 'test', 'golden', 'cases');

const help = `usage: fastweight verify [--backend NAME] [--precision P] [--cases DIR] [--json]

Runs golden cases, computed in float64, on this machine and prints each case's worst output and
gradient error beside its tolerance. Errors are ||a - b|| / ||b||.

  --backend NAME  one of: ${[...verifyTargets.keys()].join(', ')} (default ${defaultVerifyTarget})
  --precision P   what matrix products round to: ${precisions.join(', ')} (default float32).
                  Below float32, outputs may err ${reducedContract.output} times and gradients ${reducedContract.gradient} times as much as plain
                  evaluations with products rounded so, which the CPU runs; both errors are printed
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
    const precision = precisions.find((each) => each === options.precision);
    if (precision === undefined) {
      const names = precisions.join(', ');
      throw new UsageError(
        `Expected one of ${names} for --precision but got '${options.precision}'`,
      );
    }
    const report = await verify(options.cases, target.implementation, {
      backend: target.backend,
      precision,
      onReport: (caseReport) => {
        if (!options.json) writeCase(caseReport, output);
      },
    });
    output.write(options.json ? JSON.stringify(toJson(report), null, 2) : summary(report));
    return report.passed ? exitCodes.ok : exitCodes.failed;
  },
};

interface VerifyArguments {
  backend: string;
  precision: string;
  cases: string;
  json: boolean;
}

function parse(args: readonly string[]): VerifyArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      backend: { type: 'string', default: defaultVerifyTarget },
      precision: { type: 'string', default: 'float32' },
      cases: { type: 'string', default: packagedCases },
      json: { type: 'boolean', default: false },
    },
  });
  return values as VerifyArguments;
}

/** A line for the case, and under one that failed what differs. */
function writeCase(report: CaseReport, output: Output): void {
  output.write(formatLine(report));
  if (report.status === 'failed') output.write(report.message.replace(/^/gm, '    '));
}

function summary({ backend, precision, reports }: VerifyReport): string {
  const count = (status: CaseReport['status']) =>
    reports.filter((report) => report.status === status).length;
  const failed = count('failed') + count('error');
  const unsupported = count('unsupported');
  const end = unsupported > 0 ? `, ${unsupported} unsupported` : '';
  const how = precision === 'float32' ? '' : ` in ${precision}`;
  return `${count('passed')} passed, ${failed} failed${end} on tfjs backend '${backend}'${how}`;
}

function toJson({ backend, precision, passed, reports }: VerifyReport): object {
  const brief = (comparison: Comparison | undefined) =>
    comparison && {
      name: comparison.name,
      error: comparison.error,
      tolerance: comparison.tolerance,
      plainError: comparison.plainError,
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
  return { backend, precision, passed, cases };
}
