// Tests that name no backend run on the CPU, whatever this machine has; see test/cuda for the others.
process.env.FASTWEIGHT_DEVICE ??= 'cpu';

module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } }],
  },
  // Vega is ESM, which jest's require does not read; this is its own UMD build of the same version.
  moduleNameMapper: {
    '^vega$': '<rootDir>/node_modules/vega/build/vega.js',
    // Examples import the package by its name.
    '^fastweight$': '<rootDir>/src/index.ts',
  },
  testTimeout: 120000,
};
