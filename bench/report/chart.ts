import type { Spec } from 'vega';
import { type ContenderResult, measured, type Report } from '../results';

/**
 * A run as the text of an SVG file: of a GPU each contender's share of the GEMM rate, else the ratio of
 * every rival, by case.
 */
export async function chartSvg(report: Report): Promise<string> {
  const kind = report.machine.gpu === undefined ? ratios : shares;
  const bars = report.cases.flatMap((result) =>
    measured(result).flatMap((contender) => {
      const value = kind.of(contender);
      return value === undefined ? [] : [{ case: result.name, contender: contender.name, value }];
    }),
  );
  const vega = await import('vega');
  const view = new vega.View(vega.parse(specification(bars, kind)), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** What bars show, and from where on. */
interface Kind {
  title: string;
  axis: string;
  scale: 'log' | 'linear';
  base: number;
  /** What the axis has at least. */
  domain: [number, number];
  format: string;
  of(contender: ContenderResult): number | undefined;
}

/** To the right of 1, we are faster. */
const ratios: Kind = {
  title: 'Speed of fastweight against its rivals',
  axis: "rival's time / fastweight's (log)",
  scale: 'log',
  base: 1,
  domain: [0.5, 2],
  format: '~g',
  of: ({ timeRatio }) => timeRatio,
};

const shares: Kind = {
  title: 'Share of the GEMM rate of the run',
  axis: 'share',
  scale: 'linear',
  base: 0,
  domain: [0, 1],
  format: '.0%',
  of: ({ shareOfPeak }) => shareOfPeak,
};

interface Bar {
  case: string;
  contender: string;
  value: number;
}

/** Horizontal bars in groups by case. */
function specification(bars: readonly Bar[], kind: Kind): Spec {
  const contenders = [...new Set(bars.map(({ contender }) => contender))];
  const cases = [...new Set(bars.map((bar) => bar.case))];
  const values = bars.map(({ value }) => value);
  const [low, high] = kind.domain;
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    background: 'white',
    padding: 12,
    width: 560,
    height: Math.max(60, cases.length * (12 * contenders.length + 14)),
    title: { text: kind.title, fontSize: 16, anchor: 'start' },
    data: [{ name: 'bars', values: [...bars] }],
    scales: [
      { name: 'case', type: 'band', domain: cases, range: 'height', paddingInner: 0.2 },
      {
        name: 'value',
        type: kind.scale,
        domain: [Math.min(low, ...values), Math.max(high, ...values)],
        range: 'width',
        nice: true,
      },
      { name: 'colour', type: 'ordinal', domain: contenders, range: { scheme: 'tableau10' } },
    ],
    axes: [
      {
        orient: 'bottom',
        scale: 'value',
        title: kind.axis,
        grid: true,
        format: kind.format,
      },
      { orient: 'left', scale: 'case', labelLimit: 0 },
    ],
    legends: [{ fill: 'colour', orient: 'right', labelFontSize: 12 }],
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'group', data: 'bars', groupby: 'case' } },
        encode: { enter: { y: { scale: 'case', field: 'case' } } },
        signals: [{ name: 'height', update: "bandwidth('case')" }],
        scales: [{ name: 'contender', type: 'band', domain: contenders, range: 'height' }],
        marks: [
          {
            type: 'rect',
            from: { data: 'group' },
            encode: {
              enter: {
                y: { scale: 'contender', field: 'contender' },
                height: { scale: 'contender', band: 1, offset: -1 },
                x: { scale: 'value', value: kind.base },
                x2: { scale: 'value', field: 'value' },
                fill: { scale: 'colour', field: 'contender' },
              },
            },
          },
        ],
      },
      {
        type: 'rule',
        encode: {
          enter: {
            x: { scale: 'value', value: kind.base },
            y: { value: 0 },
            y2: { signal: 'height' },
            strokeWidth: { value: 1.5 },
            stroke: { value: 'black' },
          },
        },
      },
    ],
  };
}
