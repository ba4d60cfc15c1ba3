'use strict';
// `npm run lint`: formatting and lint of TypeScript and C++, types of everything, import direction.

const { clangFormatArgs, runAll } = require('./tools.js');

runAll([
  { name: 'Biome', bin: '@biomejs/biome/bin/biome', args: ['check', '--error-on-warnings'] },
  { name: 'TypeScript', bin: 'typescript/bin/tsc', args: ['-p', 'tsconfig.test.json'] },
  { name: 'Imports', script: 'scripts/check_imports.js', args: [] },
  ...clangFormatArgs(['--dry-run', '-Werror']),
]);
