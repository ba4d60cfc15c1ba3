import { spawnSync } from 'node:child_process';
import * as path from 'node:path';
import { root } from '../support/bundle';
import {
  buildNativeTests,
  emulatedCuda,
  hasEmulation,
  nativeTestsFolder,
} from '../support/emulated_cuda';

function run(environment: Record<string, string> = {}, name = 'fastweight_native_tests') {
  const program = path.join(nativeTestsFolder, name);
  return spawnSync(program, { encoding: 'utf8', env: { ...process.env, ...environment } });
}

beforeAll(() => buildNativeTests(), 600_000);

test('every check of the C++ tests passes', () => {
  const { status, stdout } = run();
  expect(stdout).not.toContain('FAILED');
  expect(stdout).toMatch(/^isas: portable/m);
  expect(stdout).toMatch(/^[1-9]\d{3} passed, 0 failed$/m);
  expect(status).toBe(0);
});

test('FASTWEIGHT_ISA names the instruction set that is used', () => {
  expect(run({ FASTWEIGHT_ISA: 'portable' }).stdout).toContain('environment isa: portable');
});

test('an instruction set that this machine lacks is reported, and the best one is used', () => {
  const { stdout } = run({ FASTWEIGHT_ISA: 'abacus' });
  expect(stdout).toMatch(
    /ERR_ARGUMENT: Expected one of portable.* for FASTWEIGHT_ISA but got 'abacus'/,
  );
  const best = /^isas: .*?(\w+)$/m.exec(stdout)?.[1];
  expect(stdout).toContain(`environment isa: ${best}`);
});

for (const sanitizer of ['', '_address']) {
  const how = sanitizer === '' ? '' : ', under an address sanitizer';
  (hasEmulation ? test : test.skip)(
    `the CUDA device passes under emulation${how}`,
    () => {
      const { status, stdout, stderr } = run({}, `fastweight_cuda_emulation_tests${sanitizer}`);
      expect(stdout).not.toContain('FAILED');
      expect(stderr).not.toContain('ERROR');
      expect(stdout).toMatch(/^[1-9]\d* passed, 0 failed$/m);
      expect(status).toBe(0);
    },
    400_000,
  );
}

(hasEmulation ? test : test.skip)(
  'golden cases pass on the CUDA device under emulation',
  () => {
    const main = path.join(root, 'dist', 'cli', 'main.js');
    const args = [main, 'verify', '--backend', 'fastweight-cuda'];
    const { status, stdout } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      env: emulatedCuda() as NodeJS.ProcessEnv,
    });
    expect(stdout).toMatch(/^[1-9]\d* passed, 0 failed on tfjs backend 'fastweight-cuda'$/m);
    expect(status).toBe(0);
  },
  600_000,
);

(hasEmulation ? test : test.skip)(
  'where our products are wrong on a GPU, cuBLAS multiplies',
  () => {
    const doctor = (environment: Record<string, string>) =>
      spawnSync(process.execPath, [path.join(root, 'dist', 'cli', 'main.js'), 'doctor'], {
        encoding: 'utf8',
        env: { ...emulatedCuda(), ...environment } as NodeJS.ProcessEnv,
      }).stdout;
    const wrong = doctor({ CUDA_EMULATION_WRONG_PRODUCTS: '1', FASTWEIGHT_DEVICE: 'cuda' });
    expect(wrong).toMatch(/^cuda +works/m);
    expect(wrong).toMatch(/^products +cuBLAS's alone: .*Expected .* for a product of tokens at/m);
    expect(doctor({ FASTWEIGHT_DEVICE: 'cuda' })).not.toMatch(/^products/m);
  },
);
