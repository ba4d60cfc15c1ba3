'use strict';
// `npm run format`: formats TypeScript and C++ in place and applies the safe lint fixes.

const { clangFormatArgs, runAll } = require('./tools.js');

runAll([
  { name: 'Biome', bin: '@biomejs/biome/bin/biome', args: ['check', '--write'] },
  ...clangFormatArgs(['-i']),
]);
