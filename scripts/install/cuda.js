'use strict';
// Whether the CUDA device is built along with the addon, and how. The switch is FASTWEIGHT_CUDA: 1
// builds it, 0 does not, and without it a machine that has both nvcc and an NVIDIA GPU builds it.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const toolkitVariables = ['CUDA_HOME', 'CUDA_PATH', 'CUDACXX'];

/** nvcc: that of CUDACXX, of the toolkit's folder, or of the search path; or null. */
function findNvcc() {
  const named = process.env.CUDACXX;
  const folders = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'];
  const files = [named, ...folders.map((folder) => folder && path.join(folder, 'bin', 'nvcc'))];
  return [...files, 'nvcc'].find((file) => file && runs(file)) ?? null;
}

function runs(file) {
  return spawnSync(file, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Whether the kernel's driver for NVIDIA GPUs is loaded, on Linux or in its Windows subsystem. */
function hasGpu() {
  return ['/dev/nvidiactl', '/dev/dxg'].some((file) => fs.existsSync(file));
}

/** {builds, reason}: the reason why not is empty where nobody asked or would expect it. */
function plan() {
  const asked = process.env.FASTWEIGHT_CUDA;
  if (asked === '0') return { builds: false, reason: '' };
  if (asked !== '1' && !hasGpu()) return { builds: false, reason: '' };
  if (process.platform !== 'linux') return { builds: false, reason: 'it builds on Linux alone' };
  if (!runs('cmake')) return { builds: false, reason: 'it needs CMake' };
  const nvcc = findNvcc();
  if (nvcc === null) {
    const reason = `no nvcc was found on PATH, nor by ${toolkitVariables.join(', ')}`;
    return { builds: false, reason };
  }
  return { builds: true, reason: '', nvcc };
}

/** The commands that build the device in a folder of its own, into that of the addon. */
function steps(root, buildFolder, nvcc) {
  const folder = path.join(buildFolder, 'cuda');
  const settings = [
    '-DFASTWEIGHT_CUDA=ON',
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${path.join(buildFolder, 'Release')}`,
    ...(nvcc === 'nvcc' ? [] : [`-DCMAKE_CUDA_COMPILER=${nvcc}`]),
  ];
  const build = ['--build', folder, '--target', 'fastweight_cuda'];
  return [
    { name: 'CMake', program: 'cmake', args: ['-S', root, '-B', folder, ...settings] },
    {
      name: 'nvcc',
      program: 'cmake',
      args: [...build, '--parallel', String(os.availableParallelism())],
    },
  ];
}

module.exports = { plan, steps };
