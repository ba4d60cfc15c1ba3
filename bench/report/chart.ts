import type { Spec } from 'vega';
import { measured, type Report } from '../results';

/** Ratios of every rival by case, as the text of an SVG file. */
export async function ratioChartSvg(report: Report): Promise<string> {
  const bars = report.cases.flatMap((result) =>
    measured(result).flatMap(({ name, timeRatio }) =>
      timeRatio === undefined ? [] : [{ case: result.name, contender: name, ratio: timeRatio }],
    ),
  );
  const vega = await import('vega');
  const view = new vega.View(vega.parse(specification(bars)), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

interface Bar {
  case: string;
  contender: string;
  ratio: number;
}

/** Horizontal bars in groups by case, from 1 on a logarithmic axis: to the right, we are faster. */
function specification(bars: readonly Bar[]): Spec {
  const contenders = [...new Set(bars.map(({ contender }) => contender))];
  const cases = [...new Set(bars.map((bar) => bar.case))];
  const ratios = bars.map(({ ratio }) => ratio);
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    background: 'white',
    padding: 12,
    width: 560,
    height: Math.max(60, cases.length * (12 * contenders.length + 14)),
    title: { text: 'Speed of fastweight against its rivals', fontSize: 16, anchor: 'start' },
    data: [{ name: 'bars', values: [...bars] }],
    scales: [
      { name: 'case', type: 'band', domain: cases, range: 'height', paddingInner: 0.2 },
      {
        name: 'ratio',
        type: 'log',
        domain: [Math.min(0.5, ...ratios), Math.max(2, ...ratios)],
        range: 'width',
        nice: true,
      },
      { name: 'colour', type: 'ordinal', domain: contenders, range: { scheme: 'tableau10' } },
    ],
    axes: [
      {
        orient: 'bottom',
        scale: 'ratio',
        title: "rival's time / fastweight's (log)",
        grid: true,
        format: '~g',
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
                x: { scale: 'ratio', value: 1 },
                x2: { scale: 'ratio', field: 'ratio' },
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
            x: { scale: 'ratio', value: 1 },
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
