import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { FastWeightError } from './errors';

/** What became of one candidate file. */
interface Attempt {
  file: string;
  error: string;
}

/** The folder of the package. */
export const packageRoot = path.join(__dirname, '..', '..');

/** Causes that an error text of the dynamic loader reveals, most telling first. */
const causes: readonly { pattern: RegExp; cause: string }[] = [
  {
    pattern: /GLIBC|ld-linux|ld-musl|libc\.musl|libc\.so/,
    cause: 'It was built against another C library than this system has.',
  },
  {
    pattern: /GLIBCXX|CXXABI|libstdc\+\+|libc\+\+/,
    cause: 'The C++ runtime library it was built with is missing here or older.',
  },
  {
    pattern:
      /invalid ELF header|mach-o|incompatible architecture|wrong ELF class|not a valid Win32/i,
    cause: 'The file is not an addon, or was built for another operating system or processor.',
  },
  {
    pattern: /file too short|truncated/i,
    cause: 'The file is cut short, as an interrupted build or copy leaves it.',
  },
  {
    pattern: /did not self-register|symbol|NODE_MODULE_VERSION/,
    cause: 'It does not match this version of Node.js.',
  },
];

/**
 * Loads the first native addon that loads: FASTWEIGHT_ADDON alone where that is set, else the
 * release build, else the debug build.
 *
 * @throws FastWeightError ERR_ADDON_LOAD, listing each file that was tried, why it did not load
 *   and what to type next.
 */
export function loadNativeModule(): unknown {
  const attempts: Attempt[] = [];
  for (const file of candidates()) {
    if (!existsSync(file)) {
      attempts.push({ file, error: 'no such file' });
      continue;
    }
    try {
      const loaded: unknown = require(file);
      loadedFile = file;
      return loaded;
    } catch (error) {
      attempts.push({ file, error: error instanceof Error ? error.message : String(error) });
    }
  }
  throw new FastWeightError('ERR_ADDON_LOAD', explain(attempts));
}

let loadedFile = '';

/** The file that loadNativeModule() loaded; '' before. */
export function loadedAddonFile(): string {
  return loadedFile;
}

function candidates(): string[] {
  const override = process.env.FASTWEIGHT_ADDON;
  if (override) return [path.resolve(override)];
  return ['Release', 'Debug'].map((configuration) =>
    path.join(packageRoot, 'build', configuration, 'fastweight.node'),
  );
}

function explain(attempts: readonly Attempt[]): string {
  const lines = attempts.map(({ file, error }) => `  ${file}: ${error.split('\n')[0]}`);
  return [
    `Expected a native addon for ${process.platform}-${process.arch} but got none that loads:`,
    ...lines,
    remedy(attempts),
  ].join('\n');
}

function remedy(attempts: readonly Attempt[]): string {
  if (process.env.FASTWEIGHT_ADDON) {
    return `${causeOf(attempts)}Unset FASTWEIGHT_ADDON, or point it at a fastweight.node built here.`;
  }
  const isClone = existsSync(path.join(packageRoot, 'tsconfig.json'));
  if (isClone) return `${causeOf(attempts)}Build it here: npm run build:native`;
  return [
    `${causeOf(attempts)}Build it on this machine: npm rebuild fastweight --foreground-scripts`,
    'which also says what to install where a compiler or CMake is missing. If npm leaves install',
    'scripts out, allow this one first: npm approve-scripts fastweight',
  ].join('\n');
}

function causeOf(attempts: readonly Attempt[]): string {
  const found = attempts.filter(({ error }) => error !== 'no such file');
  if (found.length === 0) return 'It has not been built. ';
  const match = causes.find(({ pattern }) => found.some(({ error }) => pattern.test(error)));
  return match ? `${match.cause} ` : '';
}

/** The version in package.json. */
export function packageVersion(): string {
  const text = readFileSync(path.join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
