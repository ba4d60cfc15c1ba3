'use strict';
// Builds the addon on the user's machine: with CMake where it is found, else with node-gyp. Then
// the CUDA device, where that is wanted; without it the addon is still whole.
// Runs at `npm install` and as `npm run build:native`; needs no network.

const fs = require('node:fs');
const path = require('node:path');
const buildStamp = require('./install/build_stamp.js');
const cuda = require('./install/cuda.js');
const routes = require('./install/routes.js');
const { whatToInstall } = require('./install/platform_help.js');
const { runLogged } = require('./install/run_logged.js');

const root = path.join(__dirname, '..');
const buildFolder = path.join(root, 'build');
const addonFile = path.join(buildFolder, 'Release', 'fastweight.node');
const cudaFile = path.join(buildFolder, 'Release', 'libfastweight_cuda.so');

function say(text) {
  console.log(`fastweight: ${text}`);
}

function fail(reason, logTail = '') {
  if (logTail) console.error(logTail);
  console.error(`fastweight: the native addon was not built: ${reason}\n`);
  console.error(whatToInstall());
  console.error('\nThen run: npm rebuild fastweight   (in a clone of it: npm run build:native)');
  process.exit(1);
}

/** Builds the addon where its sources changed. */
async function buildAddon(route, stamp) {
  if (fs.existsSync(addonFile) && buildStamp.read(buildFolder, 'addon') === stamp) {
    say('the native addon is up to date');
    return;
  }
  if (!route) fail('neither CMake nor node-gyp with Python was found');

  routes.clearOtherBuild(buildFolder, route);
  fs.mkdirSync(buildFolder, { recursive: true });
  say(`building the native addon with ${route.name}`);
  const log = path.join(buildFolder, 'fastweight_build.log');
  const { seconds, ...result } = await timed(() => runLogged(route, root, log));
  if (result.status !== 0) fail(`${route.name} ended with ${result.status}`, result.tail);
  if (!fs.existsSync(addonFile)) fail(`${route.name} made no ${addonFile}`, result.tail);

  buildStamp.write(buildFolder, 'addon', stamp);
  sayBuilt(addonFile, seconds);
}

/** Builds the CUDA device where it is wanted and its sources changed; says so where it fails. */
async function buildCuda(stamp) {
  const { builds, reason, nvcc } = cuda.plan();
  if (reason) say(`the CUDA device is not built: ${reason}`);
  if (!builds) return;
  if (fs.existsSync(cudaFile) && buildStamp.read(buildFolder, 'cuda') === stamp) {
    say('the CUDA device is up to date');
    return;
  }
  say('building the CUDA device, which takes some minutes');
  let seconds = 0;
  for (const step of cuda.steps(root, buildFolder, nvcc)) {
    const log = path.join(buildFolder, `fastweight_cuda_${step.name.toLowerCase()}.log`);
    const result = await timed(() => runLogged(step, root, log));
    seconds += result.seconds;
    if (result.status !== 0) {
      fs.rmSync(cudaFile, { force: true });
      console.error(result.tail);
      say(`the CUDA device was not built (see ${log}); the addon runs on the CPU`);
      return;
    }
  }
  buildStamp.write(buildFolder, 'cuda', stamp);
  sayBuilt(cudaFile, seconds);
}

async function timed(run) {
  const started = process.hrtime.bigint();
  return { ...(await run()), seconds: Number(process.hrtime.bigint() - started) / 1e9 };
}

function sayBuilt(file, seconds) {
  const megabytes = fs.statSync(file).size / 2 ** 20;
  say(`built in ${seconds.toFixed(1)} s (${megabytes.toFixed(1)} MiB)`);
}

async function main() {
  if (process.env.FASTWEIGHT_SKIP_BUILD) {
    say('FASTWEIGHT_SKIP_BUILD is set, so the native addon is not built');
    return;
  }
  const stamp = buildStamp.ofSources(root);
  await buildAddon(routes.choose(root), stamp);
  await buildCuda(stamp);
}

main().catch((error) => fail(error.stack));
