import { FastWeightError } from '../native/errors';
import { packageVersion } from '../native/loader';
import { type Command, exitCodes, type Output, UsageError } from './command';

/**
 * Runs `fastweight` with `args`, the words after the program's name.
 *
 * @returns the exit code: 0, 1 where the command failed, 2 where the command line was wrong.
 */
export async function runCli(
  args: readonly string[],
  commands: readonly Command[],
  output: Output,
): Promise<number> {
  const [first, ...rest] = args;
  if (first === undefined || first === 'help' || first === '--help' || first === '-h') {
    output.write(overview(commands));
    return first === undefined ? exitCodes.usage : exitCodes.ok;
  }
  if (first === '--version' || first === '-v') {
    output.write(packageVersion());
    return exitCodes.ok;
  }
  const command = commands.find(({ name }) => name === first);
  if (command === undefined) {
    const names = commands.map(({ name }) => name).join(', ');
    output.writeError(`Expected a command (${names}) but got '${first}'. See fastweight --help`);
    return exitCodes.usage;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    output.write(command.help);
    return exitCodes.ok;
  }
  return runCommand(command, rest, output);
}

async function runCommand(
  command: Command,
  args: readonly string[],
  output: Output,
): Promise<number> {
  try {
    return await command.run(args, output);
  } catch (error) {
    if (error instanceof UsageError || isParseArgsError(error)) {
      output.writeError(`${error.message}. See fastweight ${command.name} --help`);
      return exitCodes.usage;
    }
    if (error instanceof FastWeightError) {
      output.writeError(`${error.code}: ${error.message}`);
      return exitCodes.failed;
    }
    throw error;
  }
}

/** Whether util.parseArgs threw this: an unknown option, or one without its value. */
function isParseArgsError(error: unknown): error is Error {
  const { code } = error as NodeJS.ErrnoException;
  return code?.startsWith('ERR_PARSE_ARGS_') ?? false;
}

function overview(commands: readonly Command[]): string {
  const width = Math.max(0, ...commands.map(({ name }) => name.length));
  return [
    'usage: fastweight <command> [options]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'fastweight <command> --help tells more; fastweight --version prints the version.',
  ].join('\n');
}
