import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { answerMark, type Command, type Memory } from '../task';
import type { Running } from './contender';

type Answered = { error?: string; seconds?: number } & Partial<Memory>;

/** How to start a child that answers commands. */
export interface Program {
  file: string;
  args: string[];
  env?: Record<string, string>;
}

/** Limits that every contender's own thread pool reads. */
function threadLimits(threads: number): Record<string, string> {
  const names = [
    'FASTWEIGHT_NUM_THREADS',
    'OMP_NUM_THREADS',
    'MKL_NUM_THREADS',
    'OPENBLAS_NUM_THREADS',
    'TF_NUM_INTRAOP_THREADS',
    'TF_NUM_INTEROP_THREADS',
  ];
  return Object.fromEntries(names.map((name) => [name, String(threads)]));
}

/** A contender in a process of its own, which waits on its stdin while others run. */
export class ChildContender implements Running {
  private readonly child: ChildProcess;
  private waiting: ((answer: Answered) => void) | undefined;
  private stderr = '';

  constructor(program: Program, threads: number) {
    this.child = spawn(program.file, program.args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...threadLimits(threads), ...program.env },
    });
    this.child.stderr?.on('data', (text: Buffer) => {
      this.stderr = `${this.stderr}${text}`.slice(-4000);
    });
    if (this.child.stdout) {
      createInterface({ input: this.child.stdout }).on('line', (line) => {
        if (line.startsWith(answerMark)) this.settle(JSON.parse(line.slice(answerMark.length)));
      });
    }
    this.child.stdin?.on('error', () => {}); // its end is reported once, by 'close'
    this.child.on('error', ({ message }) => this.settle({ error: message }));
    this.child.on('close', (code, signal) => {
      const lines = this.stderr.trim().split('\n').slice(-3).join(' | ');
      this.settle({ error: `it ended with ${signal ?? `exit code ${code}`}: ${lines}` });
    });
  }

  private settle(answer: Answered): void {
    this.waiting?.(answer);
    this.waiting = undefined;
  }

  async tell(command: Command): Promise<Answered> {
    const answered = new Promise<Answered>((resolve) => {
      this.waiting = resolve;
    });
    if (this.child.exitCode !== null) this.settle({ error: 'it has ended' });
    else this.child.stdin?.write(`${JSON.stringify(command)}\n`);
    const answer = await answered;
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async run(): Promise<number> {
    return (await this.tell({ command: 'run' })).seconds as number;
  }

  async memory(): Promise<Memory> {
    return (await this.tell({ command: 'memory' })) as Memory;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.stdin?.end();
    const impatience = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await closed;
    clearTimeout(impatience);
  }
}

/** Starts a child and has it prepare; a child that fails is stopped. */
export async function startChild(
  program: Program,
  threads: number,
  prepare: Command,
): Promise<Running> {
  const child = new ChildContender(program, threads);
  try {
    await child.tell(prepare);
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}
