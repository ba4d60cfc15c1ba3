import * as fs from 'node:fs';
import * as path from 'node:path';

import { type HostTensor, readSafetensors } from '../io/safetensors';
import { expected } from '../native/errors';

/** A golden case: tensors with the settings that made them. */
export interface GoldenCase {
  /** The file's name without its ending. */
  name: string;
  /** Which computation the case is of: 'fast_weight_scan', 'newton_schulz', ... */
  kind: string;
  /** The file's settings, in its own snake_case. */
  settings: Record<string, unknown>;
  tensors: Map<string, HostTensor>;
}

const ending = '.safetensors';

/**
 * Loads one golden case file.
 *
 * @throws FastWeightError ERR_CHECKPOINT for a file that is not a golden case.
 */
export function loadCase(file: string): GoldenCase {
  const { tensors, metadata } = readSafetensors(file);
  const settings = parseSettings(metadata.case, file);
  const name = path.basename(file, ending);
  return { name, kind: settings.kind as string, settings, tensors };
}

function parseSettings(text: string | undefined, file: string): Record<string, unknown> {
  let settings: unknown;
  try {
    settings = JSON.parse(text ?? 'null');
  } catch {
    settings = null;
  }
  if (typeof (settings as { kind?: unknown } | null)?.kind !== 'string') {
    const got = text === undefined ? 'none' : `'${text.slice(0, 60)}'`;
    throw expected('ERR_CHECKPOINT', "JSON with a 'kind'", `metadata 'case' of ${file}`, got);
  }
  return settings as Record<string, unknown>;
}

/**
 * The golden case files of a folder and of the folders in it, sorted by path.
 *
 * @throws FastWeightError ERR_ARGUMENT where there is no such folder or no case in it.
 */
export function findCases(folder: string): string[] {
  const isFolder = fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const files = isFolder ? fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  const cases = files.filter((file) => file.endsWith(ending)).sort();
  if (cases.length === 0) {
    const got = isFolder ? `'${folder}' with none` : `'${folder}', which is not a folder`;
    throw expected('ERR_ARGUMENT', `a folder of *${ending} files`, 'cases', got);
  }
  return cases.map((file) => path.join(folder, file));
}

/**
 * The tensors of a case whose names start with `prefix`, by the rest of the name.
 *
 * @throws FastWeightError ERR_CHECKPOINT if one of `required` is missing.
 */
export function withPrefix(
  { name, tensors }: GoldenCase,
  prefix: string,
  required: readonly string[] = [],
): Record<string, HostTensor> {
  const found = [...tensors].filter(([key]) => key.startsWith(prefix));
  const result = Object.fromEntries(
    found.map(([key, tensor]) => [key.slice(prefix.length), tensor]),
  );
  for (const key of required) {
    if (!Object.hasOwn(result, key)) {
      throw expected('ERR_CHECKPOINT', `a tensor '${prefix}${key}'`, `case ${name}`, 'none');
    }
  }
  return result;
}
