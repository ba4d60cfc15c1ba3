'use strict';
// Builds the addon on the user's machine: with CMake where it is found, else with node-gyp.
// Runs at `npm install` and as `npm run build:native`; needs no network.

const fs = require('node:fs');
const path = require('node:path');
const buildStamp = require('./install/build_stamp.js');
const routes = require('./install/routes.js');
const { whatToInstall } = require('./install/platform_help.js');
const { runLogged } = require('./install/run_logged.js');

const root = path.join(__dirname, '..');
const buildFolder = path.join(root, 'build');
const addonFile = path.join(buildFolder, 'Release', 'fastweight.node');

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

async function main() {
  if (process.env.FASTWEIGHT_SKIP_BUILD) {
    say('FASTWEIGHT_SKIP_BUILD is set, so the native addon is not built');
    return;
  }
  const stamp = buildStamp.ofSources(root);
  if (fs.existsSync(addonFile) && buildStamp.read(buildFolder) === stamp) {
    say('the native addon is up to date');
    return;
  }
  const route = routes.choose(root);
  if (!route) fail('neither CMake nor node-gyp with Python was found');

  routes.clearOtherBuild(buildFolder, route);
  fs.mkdirSync(buildFolder, { recursive: true });
  say(`building the native addon with ${route.name}`);
  const started = process.hrtime.bigint();
  const result = await runLogged(route, root, path.join(buildFolder, 'fastweight_build.log'));
  if (result.status !== 0) fail(`${route.name} ended with ${result.status}`, result.tail);
  if (!fs.existsSync(addonFile)) fail(`${route.name} made no ${addonFile}`, result.tail);

  buildStamp.write(buildFolder, stamp);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const megabytes = fs.statSync(addonFile).size / 2 ** 20;
  say(`built in ${seconds.toFixed(1)} s (${megabytes.toFixed(1)} MiB)`);
}

main().catch((error) => fail(error.stack));
