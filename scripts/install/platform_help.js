'use strict';
// Says what to install so that the addon builds, in the words of this machine's package manager.

const fs = require('node:fs');

const linuxCommands = [
  { ids: ['debian', 'ubuntu'], command: 'sudo apt-get install g++ make cmake' },
  { ids: ['fedora', 'rhel', 'centos'], command: 'sudo dnf install gcc-c++ make cmake' },
  { ids: ['alpine'], command: 'apk add g++ make cmake' },
  { ids: ['arch'], command: 'sudo pacman -S gcc make cmake' },
  { ids: ['suse', 'opensuse'], command: 'sudo zypper install gcc-c++ make cmake' },
];

function linuxHelp() {
  const release = fs.existsSync('/etc/os-release')
    ? fs.readFileSync('/etc/os-release', 'utf8')
    : '';
  const ids = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((m) =>
    m[1].split(' '),
  );
  const known = linuxCommands.find((entry) => entry.ids.some((id) => ids.includes(id)));
  return known?.command ?? 'g++ (or clang++), make and CMake, with your package manager';
}

const helpOf = {
  linux: linuxHelp,
  darwin: () => 'xcode-select --install && brew install cmake',
  win32: () =>
    'Visual Studio Build Tools with "Desktop development with C++", which brings CMake along',
};

/** A short text: the compiler and tools this platform needs, and how to get them. */
function whatToInstall() {
  const help = helpOf[process.platform]?.() ?? 'a C++17 compiler, make and CMake';
  return [
    'It needs a C++17 compiler and CMake 3.16 or newer (or, without CMake, Python 3.8 or newer).',
    `Install them: ${help}`,
  ].join('\n');
}

module.exports = { whatToInstall };
