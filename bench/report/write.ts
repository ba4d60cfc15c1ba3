import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '../repository';
import type { Report } from '../results';
import { chartSvg } from './chart';
import { reportText } from './text';

function jsonText(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

function writeJson(file: string, report: Report): void {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  writeFileSync(file, jsonText(report));
}

/** Writes NAME.json, NAME.md and NAME.svg to `folder`; returns their paths. */
async function writeReport(folder: string, name: string, report: Report): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const texts = {
    json: jsonText(report),
    md: reportText(report),
    svg: await chartSvg(report),
  };
  return Object.entries(texts).map(([extension, text]) => {
    const file = path.join(folder, `${name}.${extension}`);
    writeFileSync(file, text);
    return file;
  });
}

/** As {@link writeReport}, to bench/results under the name of the GPU or CPU and the date. */
function saveReport(report: Report): Promise<string[]> {
  const { cpu, gpu = cpu, date } = report.machine;
  const words = `${gpu} ${date.slice(0, 10)}`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return writeReport(path.join(repositoryRoot(), 'bench', 'results'), words, report);
}

/**
 * Writes a report as a command line asks: `json`, a file; `out`, a folder; `save`, bench/results.
 *
 * @returns the files in folders
 */
export async function writeAll(
  report: Report,
  { json, out, save }: { json?: string; out?: string; save: boolean },
): Promise<string[]> {
  if (json !== undefined) writeJson(json, report);
  return [
    ...(out === undefined ? [] : await writeReport(out, 'bench', report)),
    ...(save ? await saveReport(report) : []),
  ];
}
