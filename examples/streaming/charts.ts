import { lineChartSvg } from 'fastweight';
import sharp from 'sharp';
import type { Measured } from './stream';

const xLabel = 'bytes of the prompt read';

/** Bytes held over the prompt, as SVG. */
export function memoryChart(measured: readonly Measured[]): Promise<string> {
  const line = (name: string, of: (each: Measured) => number) => ({
    name,
    points: measured.map((each) => ({ x: each.tokens, y: of(each) / 2 ** 20 })),
  });
  return lineChartSvg({
    title: 'Memory does not grow with the prompt',
    xLabel,
    yLabel: 'bytes held [MiB]',
    series: [
      line('session', ({ sessionBytes }) => sessionBytes),
      line('all tensors, with the model', ({ nativeBytes }) => nativeBytes),
    ],
  });
}

/** Time of a token over the prompt, as SVG. */
export function timeChart(measured: readonly Measured[]): Promise<string> {
  const line = (name: string, of: (each: Measured) => number) => ({
    name,
    points: measured.map((each) => ({ x: each.tokens, y: of(each) })),
  });
  return lineChartSvg({
    title: 'Nor does the time of a token',
    xLabel,
    yLabel: 'time [ms]',
    series: [
      line('a byte, reading many at once', ({ readMs }) => readMs),
      line('a byte, one at a time', ({ stepMs }) => stepMs),
    ],
  });
}

/** SVG charts, one below the other, as PNG. */
export async function stackedPng(charts: readonly string[]): Promise<Buffer> {
  const images = await Promise.all(
    charts.map((svg) => sharp(Buffer.from(svg)).png().toBuffer({ resolveWithObject: true })),
  );
  const width = Math.max(...images.map(({ info }) => info.width));
  let height = 0;
  const layers = images.map(({ data, info }) => {
    const top = height;
    height += info.height;
    return { input: data, left: 0, top };
  });
  const background = { create: { width, height, channels: 3, background: 'white' } } as const;
  return sharp(background).composite(layers).png().toBuffer();
}
