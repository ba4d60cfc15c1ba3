import { lineChartSvg } from 'fastweight';
import type { Settings } from './settings';
import type { DistanceAccuracy, Outcome } from './training';

/** All that the experiment measured. */
export interface Results {
  settings: Settings;
  /** One outcome for each kind of memory, at one chunk size. */
  memories: Outcome[];
  /** Fast weights with Muon, one outcome for each chunk size. */
  chunks: Outcome[];
}

/** Share of right answers to all queries from `from` tokens on. */
export function accuracyFrom(from: number, byDistance: DistanceAccuracy[]): number {
  const far = byDistance.filter((bin) => bin.from >= from);
  const queries = far.reduce((sum, bin) => sum + bin.queries, 0);
  return far.reduce((sum, bin) => sum + bin.accuracy * bin.queries, 0) / queries;
}

const percent = (share: number | undefined) =>
  share === undefined ? '-' : `${(100 * share).toFixed(1)}%`;

/** A table in Markdown: a row for each outcome, a column for each distance. */
export function table(
  outcomes: Outcome[],
  title: string,
  rowName: (outcome: Outcome) => string,
): string {
  const starts = [...new Set(outcomes.flatMap(({ byDistance }) => byDistance.map((b) => b.from)))]
    .filter((from) => from >= 8)
    .sort((a, b) => a - b);
  const rows = outcomes.map((outcome) => [
    rowName(outcome),
    ...starts.map((start) =>
      percent(outcome.byDistance.find(({ from }) => from === start)?.accuracy),
    ),
    `${outcome.seconds.toFixed(0)} s`,
  ]);
  const header = [title, ...starts.map((from) => `${from}-${2 * from - 1}`), 'training'];
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Accuracy over distance, a line for each outcome, as SVG. */
export function distanceChart(
  outcomes: Outcome[],
  title: string,
  lineName: (outcome: Outcome) => string,
): Promise<string> {
  return lineChartSvg({
    title,
    xLabel: 'tokens since the pair was shown',
    yLabel: 'values recalled [%]',
    xScale: 'log',
    legend: 'below',
    series: outcomes.map((outcome) => ({
      name: lineName(outcome),
      points: outcome.byDistance.map(({ from, to, accuracy }) => ({
        x: Math.sqrt(from * (to - 1)),
        y: 100 * accuracy,
      })),
    })),
  });
}
