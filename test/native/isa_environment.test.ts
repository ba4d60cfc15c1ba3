import { spawnSync } from 'node:child_process';
import * as path from 'node:path';

const addon = path.join(__dirname, '..', '..', 'build', 'Release', 'fastweight.node');

test('an instruction set that does not exist is an error that lists those that do', () => {
  const program = `
    class Reported extends Error { constructor(code, message) { super(code + ' ' + message); } }
    require(${JSON.stringify(addon)}).initialize(Reported);`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    env: { ...process.env, FASTWEIGHT_ISA: 'abacus' },
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /ERR_ARGUMENT Expected one of portable.* for FASTWEIGHT_ISA but got 'abacus'/,
  );
});
