'use strict';
// Runs a build, keeps its whole output in a log and shows only how far it has come.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const { sourceCount } = require('../gyp_sources.js');

const tailLines = 40;

// Ninja: "[3/12] Building CXX ..."; Make under CMake: "[ 25%] Building CXX ...".
const ninjaStep = /^\[(\d+)\/(\d+)\]/;
const makeStep = /^\[\s*(\d+)%\]/;
// node-gyp's Makefile: "  CXX(target) Release/obj.target/...".
const gypStep = /^\s*CXX\(target\)/;

/**
 * Runs `route.args` in `root`, under this Node or as `route.program`; resolves to its exit status and
 * its last lines.
 */
function runLogged(route, root, logFile) {
  const log = fs.createWriteStream(logFile);
  const progress = createProgress();
  const lines = [];
  const child = spawn(route.program ?? process.execPath, route.args, {
    cwd: root,
    env: process.env,
  });
  let partial = '';
  const take = (chunk) => {
    log.write(chunk);
    const pieces = (partial + chunk).split('\n');
    partial = pieces.pop();
    for (const line of pieces) {
      lines.push(line);
      progress.step(line);
    }
    lines.splice(0, lines.length - tailLines);
  };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      progress.end();
      log.end();
      resolve({ status: status ?? signal, tail: [...lines, partial].join('\n') });
    });
  });
}

/** Rewrites one line on a terminal; elsewhere prints a line at each quarter of the way. */
function createProgress() {
  const isTerminal = process.stdout.isTTY === true;
  const toCompile = sourceCount();
  let compiled = 0;
  let lastQuarter = 0;
  const show = (text, fraction) => {
    const quarter = Math.floor(fraction * 4);
    if (isTerminal) process.stdout.write(`\r\x1b[Kfastweight: ${text}`);
    else if (quarter > lastQuarter) console.log(`fastweight: ${text}`);
    lastQuarter = Math.max(lastQuarter, quarter);
  };
  return {
    step(line) {
      const ninja = ninjaStep.exec(line);
      const make = makeStep.exec(line);
      if (ninja) show(`step ${ninja[1]} of ${ninja[2]}`, Number(ninja[1]) / Number(ninja[2]));
      else if (make) show(`${make[1]} %`, Number(make[1]) / 100);
      else if (gypStep.test(line)) {
        compiled++;
        show(`file ${compiled} of ${toCompile}`, compiled / toCompile);
      }
    },
    end() {
      if (isTerminal) process.stdout.write('\r\x1b[K');
    },
  };
}

module.exports = { runLogged };
