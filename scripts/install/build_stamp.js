'use strict';
// A digest of everything the addon is made from, kept beside it, tells whether to build again.

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

/** The file of the stamp of `what` was built. */
function stampFile(buildFolder, what) {
  return path.join(buildFolder, `fastweight_${what}.stamp`);
}

function filesUnder(folder) {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(file) : [file];
    })
    .sort();
}

/** The digest of the sources, build files and machine under `root`, as hex. */
function ofSources(root) {
  const files = ['CMakeLists.txt', 'binding.gyp'].map((name) => path.join(root, name));
  files.push(...filesUnder(path.join(root, 'native')));
  const digest = crypto.createHash('sha256');
  digest.update(require(path.join(root, 'package.json')).version);
  digest.update(`${process.platform} ${process.arch} ${cLibrary()}`);
  for (const file of files) {
    digest.update(`\n${path.relative(root, file)}\n`);
    digest.update(fs.readFileSync(file));
  }
  return digest.digest('hex');
}

/** glibc's version, or '' for musl and for systems that have neither. */
function cLibrary() {
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime ?? '';
}

function read(buildFolder, what) {
  const file = stampFile(buildFolder, what);
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
}

function write(buildFolder, what, stamp) {
  fs.writeFileSync(stampFile(buildFolder, what), stamp);
}

module.exports = { ofSources, read, write };
