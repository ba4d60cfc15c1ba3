import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { packageVersion } from '../../src/native/loader';
import { pathWithoutCmake } from './path_without_cmake';

const root = path.join(__dirname, '..', '..');

/** What `npm pack` reads: the sources, without anything built. */
const sources = [
  'src',
  'native',
  'scripts',
  'test/golden/cases',
  'package.json',
  'tsconfig.json',
  'CMakeLists.txt',
  'binding.gyp',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
];

/** Where node-gyp can run, installing goes by it: the project's own install goes by CMake. */
const hasPython = spawnSync('python3', ['--version']).status === 0;

let folder: string;
let consumer: string;
let installOutput: string;
let packedFiles: string[];

/** Runs a program in `cwd` and returns what it printed; fails the test where it fails. */
function run(cwd: string, program: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const result = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...outerEnvironment(), ...env },
  });
  const printed = `${result.stdout}${result.stderr}`;
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}:\n${printed}`);
  return result.stdout;
}

/** The environment less what an `npm test` around this adds about its own project. */
function outerEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env);
  const own = /^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|INIT_CWD$|JEST_|NODE_ENV$)/;
  return Object.fromEntries(entries.filter(([name]) => !own.test(name)));
}

function write(name: string, text: string): void {
  fs.writeFileSync(path.join(consumer, name), text);
}

function pack(): string {
  const staged = path.join(folder, 'source');
  for (const name of sources) {
    fs.cpSync(path.join(root, name), path.join(staged, name), { recursive: true });
  }
  fs.symlinkSync(fs.realpathSync(path.join(root, 'node_modules')), `${staged}/node_modules`);
  run(staged, 'npm', ['pack', '--pack-destination', folder]);
  return path.join(folder, `fastweight-${packageVersion()}.tgz`);
}

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'fastweight-package-'));
  consumer = path.join(folder, 'consumer');
  fs.mkdirSync(consumer);
  const tarball = pack();
  packedFiles = run(folder, 'tar', ['-tzf', tarball]).trim().split('\n');
  write('package.json', JSON.stringify({ name: 'consumer', version: '1.0.0', private: true }));
  installOutput = run(
    consumer,
    'npm',
    ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--foreground-scripts'],
    hasPython ? { PATH: pathWithoutCmake(path.join(folder, 'bin')) } : {},
  );
}, 600_000);

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test('packs what a user needs and nothing else', () => {
  const tops = new Set(packedFiles.map((file) => file.split('/')[1]));
  expect([...tops].sort()).toEqual([
    'CHANGELOG.md',
    'CMakeLists.txt',
    'LICENSE',
    'README.md',
    'binding.gyp',
    'dist',
    'native',
    'package.json',
    'scripts',
    'test',
  ]);
  expect(packedFiles.filter((file) => /\.(test\.ts|map|node)$/.test(file))).toEqual([]);
  expect(packedFiles).toContain('package/test/golden/cases/ops/scan_causal_gd.safetensors');
});

test('builds the addon at install', () => {
  const route = hasPython ? 'node-gyp' : 'CMake';
  expect(installOutput).toContain(`fastweight: building the native addon with ${route}`);
  expect(installOutput).toMatch(/fastweight: built in [\d.]+ s/);
  const installed = path.join(consumer, 'node_modules', 'fastweight');
  expect(fs.existsSync(path.join(installed, 'build', 'Release', 'fastweight.node'))).toBe(true);
});

test('gives require and import the same names and the same objects', () => {
  write(
    'both.mjs',
    `import { createRequire } from 'node:module';
     import * as imported from 'fastweight';
     import { FastWeightError } from 'fastweight';
     const required = createRequire(import.meta.url)('fastweight');
     const names = Object.keys(required);
     console.log(JSON.stringify({
       isClass: typeof FastWeightError === 'function',
       names: names.length,
       differing: names.filter((name) => required[name] !== imported[name]),
     }));`,
  );
  const result = JSON.parse(run(consumer, process.execPath, ['both.mjs']));
  expect(result).toEqual({ isClass: true, names: expect.any(Number), differing: [] });
  expect(result.names).toBeGreaterThan(0);
});

test('loads its addon in the main thread and in a worker', () => {
  write(
    'load.cjs',
    `const { isMainThread, Worker } = require('node:worker_threads');
     const { loadAddon } = require('./node_modules/fastweight/dist/native/addon.js');
     loadAddon();
     if (isMainThread) new Worker(__filename).on('exit', (code) => console.log('worker', code));`,
  );
  expect(run(consumer, process.execPath, ['load.cjs'])).toBe('worker 0\n');
});

test('compiles with types, as CommonJS and as ESM', () => {
  const program = `import { type ErrorCode, FastWeightError } from 'fastweight';
    const code: ErrorCode = new FastWeightError('ERR_SHAPE', 'a message').code;
    // @ts-expect-error: not one of the codes
    const wrong: ErrorCode = 'ERR_NO_SUCH_CODE';
    export const codes = [code, wrong];`;
  write('program.cts', program);
  write('program.mts', program);
  write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        module: 'node16',
        moduleResolution: 'node16',
        target: 'es2022',
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        types: [],
      },
      files: ['program.cts', 'program.mts'],
    }),
  );
  const tsc = require.resolve('typescript/bin/tsc');
  expect(run(consumer, process.execPath, [tsc, '-p', '.'])).toBe('');
});

test('brings the fastweight command', () => {
  const command = path.join(consumer, 'node_modules', '.bin', 'fastweight');
  expect(run(consumer, command, ['--version'])).toBe(`${packageVersion()}\n`);
});
