import type { Machine } from '../machine';
import type { CaseResult, ContenderResult, Report } from '../results';
import {
  formatFlops,
  formatMebibytes,
  formatPercent,
  formatRatio,
  formatSeconds,
  formatSpread,
  formatTable,
} from './format';

const header = ['contender', 'median', 'quartiles', 'GFLOP/s', 'of peak', 'peak memory', 'ratio'];

export function machineText(machine: Machine): string {
  const { cpu, instructionSet, threads, cores, node, fastweight, date } = machine;
  return `${cpu} (${instructionSet}), ${threads} of ${cores} cores, Node ${node}, fastweight ${fastweight}, ${date}`;
}

export function peakText({ gflops, contender }: NonNullable<Report['peak']>): string {
  return `GEMM peak of this run: ${gflops.toFixed(1)} GFLOP/s (${contender})`;
}

/** One case: a table of its contenders, and its goals. */
export function caseText(result: CaseResult): string {
  const rows = result.contenders.filter(({ seconds }) => seconds !== undefined).map(row);
  const others = result.contenders
    .filter(({ status }) => status !== 'measured')
    .map(({ name, status, reason }) => `- ${name}: ${status}: ${reason}`);
  const goals = result.goals.map(
    ({ goal, atLeast, measured, met }) =>
      `- goal ${met ? 'met' : 'MISSED'}: ${goal}: ${formatRatio(measured)} of ${formatRatio(atLeast)}`,
  );
  return [
    `### ${result.name} (${formatFlops(result.flops)})`,
    '',
    ...(rows.length > 0 ? [formatTable(header, rows), ''] : []),
    ...[...others, ...goals].concat(others.length + goals.length > 0 ? [''] : []),
  ].join('\n');
}

function row(contender: ContenderResult): string[] {
  const { name, seconds, gflops, shareOfPeak, workingBytes, timeRatio } = contender;
  return [
    name,
    seconds ? formatSeconds(seconds.median) : '',
    seconds ? formatSpread(seconds) : '',
    gflops?.toFixed(1) ?? '',
    shareOfPeak === undefined ? '' : formatPercent(shareOfPeak),
    workingBytes === undefined ? '' : formatMebibytes(workingBytes),
    timeRatio === undefined ? '' : formatRatio(timeRatio),
  ];
}

/** The whole run, as markdown. */
export function reportText(report: Report): string {
  const goals = report.cases.flatMap((result) => result.goals);
  const met = goals.filter((goal) => goal.met).length;
  return [
    machineText(report.machine),
    ...(report.peak ? ['', peakText(report.peak)] : []),
    '',
    ...report.cases.map(caseText),
    `${met} of ${goals.length} goals met.`,
    '',
    notes,
    '',
  ].join('\n');
}

const notes = [
  'Ratio: median over rounds of the time by that of fastweight; above 1, fastweight is faster.',
  'GFLOP/s count the work of the algorithm once, symmetric products as half, so a contender that',
  'uses symmetry may be above the peak. Memory: peak resident bytes beyond the loaded inputs.',
].join('\n');
