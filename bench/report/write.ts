import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '../repository';
import type { Report } from '../results';
import { ratioChartSvg } from './chart';
import { reportText } from './text';

function jsonText(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

export function writeJson(file: string, report: Report): void {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, jsonText(report));
}

/** Writes NAME.json, NAME.md and NAME.svg to `folder`; returns their paths. */
export async function writeReport(folder: string, name: string, report: Report): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const texts = {
    json: jsonText(report),
    md: reportText(report),
    svg: await ratioChartSvg(report),
  };
  return Object.entries(texts).map(([extension, text]) => {
    const file = path.join(folder, `${name}.${extension}`);
    writeFileSync(file, text);
    return file;
  });
}

/** As {@link writeReport}, to bench/results under the CPU's name and the date. */
export function saveReport(report: Report): Promise<string[]> {
  const { cpu, date } = report.machine;
  const words = `${cpu} ${date.slice(0, 10)}`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return writeReport(path.join(repositoryRoot(), 'bench', 'results'), words, report);
}
