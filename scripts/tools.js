'use strict';
// Runs the project's development tools, each from its npm package, and adds up how they end.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const nativeSource = /\.(cc|h|inl|cu|cuh)$/;

function nativeSources() {
  return ['native', 'test', 'bench']
    .filter((folder) => fs.existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      fs
        .readdirSync(path.join(root, folder), { recursive: true })
        .map((name) => path.join(folder, name)),
    )
    .filter((file) => nativeSource.test(file))
    .sort();
}

/** The step that runs clang-format on all C++ and CUDA sources; none while there are none. */
function clangFormatArgs(flags) {
  const sources = nativeSources();
  if (sources.length === 0) return [];
  const { clangFormatPath } = require('clang-format-node');
  return [{ name: 'clang-format', program: clangFormatPath, args: [...flags, ...sources] }];
}

/** Runs every step, whether or not one before it failed; the exit code is 1 if any did. */
function runAll(steps) {
  for (const step of steps) {
    const program = step.program ?? process.execPath;
    const script = step.bin ? [require.resolve(step.bin)] : step.script ? [step.script] : [];
    const { status, error } = spawnSync(program, [...script, ...step.args], {
      cwd: root,
      stdio: 'inherit',
    });
    const failed = status !== 0;
    console.log(`${step.name}: ${failed ? `failed${error ? ` (${error.message})` : ''}` : 'ok'}`);
    if (failed) process.exitCode = 1;
  }
}

module.exports = { clangFormatArgs, runAll };
