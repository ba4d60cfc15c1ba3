'use strict';
// Makes one archive that builds and runs on a machine without network, such as a GPU server: the
// JavaScript in one file a program, the native sources and headers, the golden cases, and run.sh.
// usage: node scripts/bundle.js [--out FILE] [--with-node] [--with-built]

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { buildSync } = require('esbuild');

const root = path.join(__dirname, '..');
const { version } = require('../package.json');
const name = `fastweight-${version}`;

const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: path.join(root, 'build', `${name}-bundle.tar.gz`) },
    'with-node': { type: 'boolean', default: false },
    'with-built': { type: 'boolean', default: false },
  },
});

const folder = path.join(root, 'build', 'bundle', name);
const external = ['jasmine', 'esbuild', 'vega', 'sharp', 'mnist', 'cli-progress', '*.node'];

/** Copies a file or folder of the project to its own place in the bundle, or to `to`. */
function copy(from, to = from) {
  fs.cpSync(path.resolve(root, from), path.join(folder, to), {
    recursive: true,
    dereference: true,
  });
}

/** Turns a script and all that it imports into one file. */
function bundle(entry, outfile, settings = {}) {
  buildSync({
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    // tfjs-core marks the files that register gradients and specs as free of side effects.
    ignoreAnnotations: true,
    preserveSymlinks: true,
    external,
    logLevel: 'error',
    entryPoints: [path.join(root, entry)],
    outfile: path.join(folder, outfile),
    ...settings,
  });
}

/** Copies a package and all that it depends on. */
function copyPackage(packageName, copied = new Set()) {
  if (copied.has(packageName)) return;
  copied.add(packageName);
  const source = path.join('node_modules', packageName);
  copy(source);
  const { dependencies = {} } = require(path.join(root, source, 'package.json'));
  for (const each of Object.keys(dependencies)) copyPackage(each, copied);
}

function headersOf(packageName, subfolder) {
  const source = path.join(path.dirname(require.resolve(`${packageName}/package.json`)), subfolder);
  fs.cpSync(source, path.join(folder, 'headers', packageName), {
    recursive: true,
    filter: (file) => fs.statSync(file).isDirectory() || /\.h$/.test(file),
  });
}

fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder, { recursive: true });

// The loader looks for the package two folders above itself.
bundle('src/cli/main.ts', 'dist/cli/main.js');
bundle('test/cuda/bundle_tests.ts', 'dist/tests/tests.js');
for (const script of ['specs', 'suite']) {
  bundle(`test/conformance/${script}.ts`, `dist/tests/${script}.js`);
}
// With vega, which draws its chart: vega's modules await at the top, which CommonJS has not, so its
// UMD build, out of the package that calls every .js a module.
const vega = path.join(root, 'build', 'bundle', 'vega.cjs');
fs.copyFileSync(path.join(root, 'node_modules', 'vega', 'build', 'vega.js'), vega);
bundle('bench/cuda/main.ts', 'dist/bench/main.js', {
  external: external.filter((each) => each !== 'vega'),
  alias: { vega },
});
fs.symlinkSync('../../test/golden/cases', path.join(folder, 'dist', 'tests', 'cases'));

for (const each of [
  ...['native', 'CMakeLists.txt', 'package.json', 'LICENSE'],
  ...['test/golden/cases', 'bench/peers'],
]) {
  copy(each);
}
copy('scripts/bundle/run.sh', 'run.sh');
headersOf('node-api-headers', 'include');
headersOf('node-addon-api', '');
copyPackage('jasmine');
if (options['with-node']) fs.copyFileSync(process.execPath, path.join(folder, 'node'));
if (options['with-built']) {
  for (const file of ['fastweight.node', 'libfastweight_cuda.so']) {
    const built = path.join('build', 'Release', file);
    if (fs.existsSync(path.join(root, built))) copy(built);
  }
}

const out = path.resolve(options.out);
const tar = spawnSync('tar', ['-czf', out, '-C', path.dirname(folder), name], { stdio: 'inherit' });
if (tar.status !== 0) throw new Error('tar failed');
console.log(`${out} (${(fs.statSync(out).size / 2 ** 20).toFixed(1)} MiB)`);
