'use strict';
// The two ways to build the addon. Both write build/Release/fastweight.node.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const isWindows = process.platform === 'win32';

/** The commands of the first way that this machine can go, or null when it can go none. */
function choose(root) {
  if (runs('cmake')) return cmakeRoute(root);
  const nodeGyp = findNodeGyp();
  if (nodeGyp && (runs('python3') || runs('python'))) return nodeGypRoute(root, nodeGyp);
  return null;
}

function cmakeRoute(root) {
  const cmakeJs = path.join(path.dirname(require.resolve('cmake-js/package.json')), 'bin/cmake-js');
  const build = [cmakeJs, 'build', '--out', path.join(root, 'build')];
  return {
    name: 'CMake',
    trace: 'CMakeCache.txt',
    args: [...build, '--parallel', String(os.availableParallelism())],
  };
}

function nodeGypRoute(root, nodeGyp) {
  const args = [nodeGyp, 'configure', 'build', '--release', `--jobs=${os.availableParallelism()}`];
  // Windows links against node.lib, which only node-gyp's own download of Node's headers holds.
  if (!isWindows) {
    args.push(`--nodedir=${path.join(root, 'native', 'gyp')}`, '--force-process-config');
  }
  return { name: 'node-gyp', trace: 'config.gypi', args };
}

function runs(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore', shell: isWindows }).status === 0;
}

/** node-gyp as npm names it, as installed, or as bundled with the npm beside this Node. */
function findNodeGyp() {
  const npm = path.join(path.dirname(process.execPath), isWindows ? '' : '../lib');
  const candidates = [
    process.env.npm_config_node_gyp,
    resolved('node-gyp/bin/node-gyp.js'),
    path.join(npm, 'node_modules/npm/node_modules/node-gyp/bin/node-gyp.js'),
  ];
  return candidates.find((file) => file && fs.existsSync(file));
}

function resolved(request) {
  try {
    return require.resolve(request);
  } catch {
    return undefined;
  }
}

/** Empties `build` when it was made the other way, or by CMake for another folder. */
function clearOtherBuild(buildFolder, route) {
  const traces = ['CMakeCache.txt', 'config.gypi'];
  const foreign = traces.some(
    (trace) => trace !== route.trace && fs.existsSync(path.join(buildFolder, trace)),
  );
  if (foreign || cacheIsOfAnotherFolder(buildFolder)) {
    fs.rmSync(buildFolder, { recursive: true, force: true });
  }
}

function cacheIsOfAnotherFolder(buildFolder) {
  const cache = path.join(buildFolder, 'CMakeCache.txt');
  if (!fs.existsSync(cache)) return false;
  const folder = /^CMAKE_CACHEFILE_DIR:INTERNAL=(.*)$/m.exec(fs.readFileSync(cache, 'utf8'))?.[1];
  return folder === undefined || path.relative(folder, buildFolder) !== '';
}

module.exports = { choose, clearOtherBuild, cmakeRoute };
