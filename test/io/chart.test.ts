import { lineChartSvg } from '../../src/io/chart';

const falling = { name: 'training', points: [0, 1, 2, 3].map((x) => ({ x, y: 8 - 2 * x })) };
const flat = { name: 'held out <&>', points: [0, 3].map((x) => ({ x, y: 4 })) };
const chart = { title: 'Loss', xLabel: 'step', yLabel: 'loss [bits per byte]' };

/** The [x, y] corners of each drawn line, in pixels. */
function drawnLines(svg: string): number[][][] {
  return [...svg.matchAll(/<path d="(M[^"]*)"[^>]*stroke-width="2"/g)].map(([, path]) =>
    (path ?? '')
      .slice(1)
      .split('L')
      .map((corner) => corner.split(',').map(Number)),
  );
}

test('draws each series to scale, with axes, legend and title', async () => {
  const svg = await lineChartSvg({ ...chart, series: [falling, flat] });
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[\s\S]*<\/svg>$/);
  for (const text of [
    'Loss',
    'step',
    'loss [bits per byte]',
    'training',
    'held out &lt;&amp;&gt;',
  ]) {
    expect(svg).toContain(`>${text}</text>`);
  }
  const lines = drawnLines(svg);
  expect(lines).toHaveLength(2);
  // x spans the plot's 720 pixels and y its 400, with 2 at the bottom and 8 at the top.
  expect(lines[0]).toEqual([
    [0, 0],
    [240, expect.closeTo(400 / 3, 2)],
    [480, expect.closeTo(800 / 3, 2)],
    [720, 400],
  ]);
  expect(lines[1]).toEqual([
    [0, expect.closeTo(800 / 3, 2)],
    [720, expect.closeTo(800 / 3, 2)],
  ]);
});

test('a legend below leaves the lines to themselves', async () => {
  const svg = await lineChartSvg({ ...chart, series: [falling, flat], legend: 'below' });
  const [, y] = /mark-group role-legend[^>]*>.*?translate\([\d.]+,([\d.]+)\)/s.exec(svg) ?? [];
  expect(Number(y)).toBeGreaterThan(400);
});

test('on a logarithmic scale equal steps to the right double x', async () => {
  const points = [1, 2, 4, 16].map((x) => ({ x, y: x }));
  const svg = await lineChartSvg({ ...chart, xScale: 'log', series: [{ name: 'a', points }] });
  expect(drawnLines(svg)[0].map(([x]) => x)).toEqual([0, 180, 360, 720]);
  await expect(lineChartSvg({ ...chart, xScale: 'log', series: [flat] })).rejects.toMatchObject({
    code: 'ERR_RANGE',
    message: expect.stringMatching(/x above 0/),
  });
});

test.each([
  ['ERR_ARGUMENT', []],
  ['ERR_RANGE', [{ name: 'empty', points: [] }]],
  ['ERR_NON_FINITE', [{ name: 'bad', points: [{ x: 0, y: Number.NaN }] }]],
])('throws %s for a series that cannot be drawn', async (code, series) => {
  await expect(lineChartSvg({ ...chart, series })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(/^Expected .* for .* but got /),
  });
});
