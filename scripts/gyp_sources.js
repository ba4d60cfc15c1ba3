'use strict';
// Lists the sources of one binding.gyp target, one a line: the same globs as CMakeLists.txt.
// usage: node scripts/gyp_sources.js portable|avx2|avx512|binding

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

function sourcesIn(...folders) {
  return folders
    .map((folder) => `native/${folder}`)
    .filter((folder) => fs.existsSync(path.join(root, folder)))
    .flatMap((folder) => fs.readdirSync(path.join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((file) => file.endsWith('.cc'))
    .sort();
}

const isAvx2 = (file) => file.endsWith('_avx2.cc');
const isAvx512 = (file) => file.endsWith('_avx512.cc');

const lists = {
  portable: () => sourcesIn('core', 'cpu').filter((file) => !isAvx2(file) && !isAvx512(file)),
  avx2: () => sourcesIn('cpu').filter(isAvx2),
  avx512: () => sourcesIn('cpu').filter(isAvx512),
  binding: () => sourcesIn('binding'),
};

/** How many files all targets compile. */
function sourceCount() {
  return Object.values(lists).reduce((sum, list) => sum + list().length, 0);
}

if (require.main === module) console.log(lists[process.argv[2]]().join('\n'));

module.exports = { sourceCount };
