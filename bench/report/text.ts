import type { Machine } from '../machine';
import type { CaseResult, ContenderResult, Report } from '../results';
import {
  formatBytes,
  formatFlopRate,
  formatFlops,
  formatMebibytes,
  formatPercent,
  formatRatio,
  formatSeconds,
  formatSpread,
  formatTable,
} from './format';

const header = [
  'contender',
  'median',
  'quartiles',
  'rate',
  'of peak',
  'peak memory',
  'error',
  'ratio',
];

export function machineText(machine: Machine): string {
  const { cpu, gpu, instructionSet, threads, cores, node, fastweight, date } = machine;
  return `${gpu === undefined ? '' : `${gpu}, `}${cpu} (${instructionSet}), ${threads} of ${cores} cores, Node ${node}, fastweight ${fastweight}, ${date}`;
}

export function peakText({ gflops, contender }: NonNullable<Report['peak']>): string {
  return `GEMM peak of this run: ${formatFlopRate(gflops)} (${contender})`;
}

/** One case: a table of its contenders, and its goals. */
export function caseText(result: CaseResult): string {
  const rows = result.contenders.filter(({ seconds }) => seconds !== undefined).map(row);
  const others = result.contenders
    .filter(({ status }) => status !== 'measured')
    .map(({ name, status, reason }) => `- ${name}: ${status}: ${reason}`);
  const goals = result.goals.map(({ goal, atLeast, measured, met, isShare }) => {
    const [reached, asked] = [measured, atLeast].map(isShare ? formatPercent : formatRatio);
    return `- goal ${met ? 'met' : 'MISSED'}: ${goal}: ${reached} of ${asked}`;
  });
  const work = [
    ...(result.flops > 0 ? [formatFlops(result.flops)] : []),
    ...(result.bytes === undefined ? [] : [formatBytes(result.bytes)]),
  ];
  return [
    `### ${result.name} (${work.join(', ')})`,
    '',
    ...(rows.length > 0 ? [formatTable(header, rows), ''] : []),
    ...[...others, ...goals].concat(others.length + goals.length > 0 ? [''] : []),
  ].join('\n');
}

function row(contender: ContenderResult): string[] {
  const { name, seconds, gflops, gigabytesPerSecond } = contender;
  const { shareOfPeak, workingBytes, difference, timeRatio } = contender;
  const rate = gflops
    ? formatFlopRate(gflops)
    : gigabytesPerSecond && `${gigabytesPerSecond.toFixed(1)} GB/s`;
  return [
    name,
    seconds ? formatSeconds(seconds.median) : '',
    seconds ? formatSpread(seconds) : '',
    rate || '',
    shareOfPeak === undefined ? '' : formatPercent(shareOfPeak),
    workingBytes === undefined ? '' : formatMebibytes(workingBytes),
    difference ? Math.max(difference.outputs, difference.gradients).toExponential(1) : '',
    timeRatio === undefined ? '' : formatRatio(timeRatio),
  ];
}

/** How many goals were met. */
export function goalsText({ cases }: Report): string {
  const goals = cases.flatMap((result) => result.goals);
  return `${goals.filter(({ met }) => met).length} of ${goals.length} goals met.`;
}

/** The whole run, as markdown. */
export function reportText(report: Report): string {
  return [
    machineText(report.machine),
    ...(report.peak ? ['', peakText(report.peak)] : []),
    '',
    ...report.cases.map(caseText),
    goalsText(report),
    '',
    notes,
    '',
  ].join('\n');
}

const notes = [
  'Ratio: median over rounds of the time by that of fastweight; above 1, fastweight is faster.',
  'Rates count the work of the algorithm once, symmetric products as half, so a contender that',
  'uses symmetry may be above the peak. Memory: peak bytes beyond the loaded inputs, on a GPU those',
  'of the GPU. Error: the greatest ||a - b|| / ||b|| of a result against ours; in reduced precision, of',
  'every contender against ours in float32.',
].join('\n');
