import type { Spec } from 'vega';
import { expected } from '../native/errors';

/** One line of a chart: its name in the legend and its points, in drawing order. */
export interface LineSeries {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LineChart {
  readonly title: string;
  /** What the axes show, with the unit, e.g. 'loss [bits per byte]'. */
  readonly xLabel: string;
  readonly yLabel: string;
  /** 'log': equal steps to the right double x, which is then above 0. Default 'linear'. */
  readonly xScale?: 'linear' | 'log';
  /** Over the lines, in the corner at the top right, or below the chart. Default 'over'. */
  readonly legend?: 'over' | 'below';
  readonly series: readonly LineSeries[];
}

const width = 720;
const height = 400;

/**
 * A line chart as the text of an SVG file, `width` x `height` pixels beside axes and legend.
 *
 * @throws FastWeightError ERR_ARGUMENT when there is no series, ERR_RANGE when a series is empty or
 *   an x is not above 0 on a logarithmic scale, and ERR_NON_FINITE when a coordinate is not finite.
 */
export async function lineChartSvg(chart: LineChart): Promise<string> {
  validate(chart);
  const vega = await import('vega');
  const view = new vega.View(vega.parse(specification(chart)), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

function validate({ series, xScale }: LineChart): void {
  if (series.length === 0) throw expected('ERR_ARGUMENT', 'at least one line', 'series', 'none');
  for (const { name, points } of series) {
    const argument = `points of series '${name}'`;
    if (points.length === 0) throw expected('ERR_RANGE', 'at least one point', argument, 'none');
    const bad = points.find(({ x, y }) => !Number.isFinite(x) || !Number.isFinite(y));
    if (bad) throw expected('ERR_NON_FINITE', 'finite values', argument, `(${bad.x}, ${bad.y})`);
    const low = xScale === 'log' && points.find(({ x }) => x <= 0);
    if (low) throw expected('ERR_RANGE', 'x above 0', argument, `${low.x}`);
  }
}

function specification(chart: LineChart): Spec {
  const { title, xLabel, yLabel, xScale, legend, series } = chart;
  const axis = { labelFontSize: 12, titleFontSize: 13, titlePadding: 8, grid: true };
  const position = { x: { scale: 'x', field: 'x' }, y: { scale: 'y', field: 'y' } };
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    background: 'white',
    padding: 12,
    width,
    height,
    title: { text: title, fontSize: 16, anchor: 'start', offset: 12 },
    data: [
      {
        name: 'points',
        values: series.flatMap(({ name, points }) => points.map(({ x, y }) => ({ name, x, y }))),
      },
    ],
    scales: [
      {
        name: 'x',
        ...(xScale === 'log' ? { type: 'log', base: 2 } : { type: 'linear', zero: false }),
        domain: { data: 'points', field: 'x' },
        range: 'width',
      },
      {
        name: 'y',
        type: 'linear',
        domain: { data: 'points', field: 'y' },
        range: 'height',
        zero: false,
        nice: true,
      },
      {
        name: 'colour',
        type: 'ordinal',
        domain: series.map(({ name }) => name),
        range: { scheme: 'tableau10' },
      },
    ],
    axes: [
      { ...axis, orient: 'bottom', scale: 'x', title: xLabel, tickCount: 8 },
      { ...axis, orient: 'left', scale: 'y', title: yLabel, tickCount: 6 },
    ],
    legends: [
      {
        stroke: 'colour',
        symbolType: 'stroke',
        ...(legend === 'below' ? { orient: 'bottom', columns: 2 } : { orient: 'top-right' }),
        labelFontSize: 12,
        labelLimit: width / 2,
      },
    ],
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'lines', data: 'points', groupby: 'name' } },
        marks: [
          {
            type: 'line',
            from: { data: 'lines' },
            encode: {
              enter: {
                ...position,
                stroke: { scale: 'colour', field: 'name' },
                strokeWidth: { value: 2 },
              },
            },
          },
        ],
      },
    ],
  };
}
