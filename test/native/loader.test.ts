import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { loadAddon } from '../../src/native/addon';
import { FastWeightError } from '../../src/native/errors';
import { loadNativeModule, packageVersion } from '../../src/native/loader';

const root = path.join(__dirname, '..', '..');
const builtAddon = path.join(root, 'build', 'Release', 'fastweight.node');

const compilerOptions = {
  module: ModuleKind.CommonJS,
  target: ScriptTarget.ES2022,
  esModuleInterop: true,
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fastweight-loader-'));
});
afterEach(() => {
  delete process.env.FASTWEIGHT_ADDON;
  rmSync(folder, { recursive: true, force: true });
});

/** The error of loading with FASTWEIGHT_ADDON set to `file`. */
function loadError(file: string): FastWeightError {
  process.env.FASTWEIGHT_ADDON = file;
  try {
    loadNativeModule();
  } catch (error) {
    if (error instanceof FastWeightError) return error;
    throw error;
  }
  throw new Error(`${file} loaded`);
}

test('loads the addon once and hands it the error class', () => {
  const addon = loadAddon();
  expect(loadAddon()).toBe(addon);
  expect(typeof addon.initialize).toBe('function');
});

test('loads in a worker thread beside the main thread', async () => {
  loadAddon();
  const worker = new Worker(
    `const addon = require(${JSON.stringify(builtAddon)});
     addon.initialize(class extends Error {});
     require('node:worker_threads').parentPort.postMessage(Object.keys(addon));`,
    { eval: true },
  );
  const names = await new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  await worker.terminate();
  expect(names).toEqual(Object.keys(loadAddon()));
});

test.each([
  ['a text file', (file: string) => writeFileSync(file, 'not an addon'), /not an addon|cut short/],
  [
    'a file cut short',
    (file: string) => {
      copyFileSync(builtAddon, file);
      truncateSync(file, 30);
    },
    /cut short|not an addon/,
  ],
  ['no file', () => undefined, /has not been built/],
])('explains itself where FASTWEIGHT_ADDON names %s', (_name, make, cause) => {
  const file = path.join(folder, 'fastweight.node');
  make(file);
  const error = loadError(file);
  expect(error.code).toBe('ERR_ADDON_LOAD');
  expect(error.message).toContain(`${process.platform}-${process.arch}`);
  expect(error.message).toContain(file);
  expect(error.message).toMatch(cause);
  expect(error.message).toContain('Unset FASTWEIGHT_ADDON');
});

test('says how to build where nothing was built, in a clone and in an installed package', () => {
  const compiled = path.join(folder, 'dist', 'native');
  mkdirSync(compiled, { recursive: true });
  for (const name of ['errors', 'loader']) {
    const source = readFileSync(path.join(root, 'src', 'native', `${name}.ts`), 'utf8');
    const { outputText } = transpileModule(source, { compilerOptions });
    writeFileSync(path.join(compiled, `${name}.js`), outputText);
  }
  const load = `
    try { require(${JSON.stringify(path.join(compiled, 'loader.js'))}).loadNativeModule(); }
    catch (error) { console.log(error.code, error.message); }`;
  const run = () => spawnSync(process.execPath, ['-e', load], { encoding: 'utf8' }).stdout;

  const installed = run();
  expect(installed).toMatch(/^ERR_ADDON_LOAD Expected a native addon/);
  for (const configuration of ['Release', 'Debug']) {
    expect(installed).toContain(path.join(folder, 'build', configuration, 'fastweight.node'));
  }
  expect(installed).toContain('npm rebuild fastweight');
  expect(installed).toContain('npm approve-scripts fastweight');

  writeFileSync(path.join(folder, 'tsconfig.json'), '{}');
  expect(run()).toContain('npm run build:native');

  mkdirSync(path.join(folder, 'build', 'Release'), { recursive: true });
  copyFileSync(builtAddon, path.join(folder, 'build', 'Release', 'fastweight.node'));
  expect(run()).toBe('');
});

test('reads the version of the package', () => {
  expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
});
