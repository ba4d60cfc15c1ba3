import { type Command, UsageError } from '../../src/cli/command';
import { runCli } from '../../src/cli/run';
import { FastWeightError } from '../../src/native/errors';
import { packageVersion } from '../../src/native/loader';

const add: Command = {
  name: 'add',
  summary: 'adds numbers',
  help: 'usage: fastweight add A B',
  async run(args, output) {
    if (args.length !== 2) throw new UsageError(`Expected 2 numbers but got ${args.length}`);
    const sum = Number(args[0]) + Number(args[1]);
    if (Number.isNaN(sum)) throw new FastWeightError('ERR_NON_FINITE', 'Expected numbers');
    output.write(String(sum));
    return 0;
  },
};

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const output = {
    write: (line: string) => out.push(line),
    writeError: (line: string) => err.push(line),
  };
  const code = await runCli(args, [add], output);
  return { code, out: out.join('\n'), err: err.join('\n') };
}

test('runs a command with its arguments', async () => {
  expect(await run('add', '1', '2')).toEqual({ code: 0, out: '3', err: '' });
});

test.each(['--help', '-h', 'help'])('lists the commands for %s', async (flag) => {
  const { code, out } = await run(flag);
  expect(code).toBe(0);
  expect(out).toMatch(/^usage: fastweight <command>[\s\S]*add {2}adds numbers/);
});

test('prints the help of one command, and the version', async () => {
  expect(await run('add', '--help')).toEqual({ code: 0, out: add.help, err: '' });
  expect(await run('--version')).toEqual({ code: 0, out: packageVersion(), err: '' });
});

test('ends in 2 for a command line it cannot make sense of', async () => {
  expect(await run()).toMatchObject({ code: 2 });
  const unknown = await run('subtract');
  expect(unknown).toMatchObject({ code: 2, out: '' });
  expect(unknown.err).toBe("Expected a command (add) but got 'subtract'. See fastweight --help");
  const usage = await run('add', '1');
  expect(usage).toMatchObject({ code: 2, out: '' });
  expect(usage.err).toBe('Expected 2 numbers but got 1. See fastweight add --help');
});

test('ends in 1 with code and message where the command fails', async () => {
  expect(await run('add', 'one', '2')).toEqual({
    code: 1,
    out: '',
    err: 'ERR_NON_FINITE: Expected numbers',
  });
});
