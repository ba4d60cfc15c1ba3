import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The folder of package.json, whether this runs compiled or not. */
export function repositoryRoot(): string {
  let folder = __dirname;
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder);
  return folder;
}

export function packageVersion(): string {
  const text = readFileSync(path.join(repositoryRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Compiled, the sources lie elsewhere than the addon, which children are to find too. */
export function pointAtAddon(): void {
  process.env.FASTWEIGHT_ADDON ??= path.join(
    ...[repositoryRoot(), 'build', 'Release', 'fastweight.node'],
  );
}
