import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { bundleScript, root } from './bundle';

/** What a program printed, and the exit code that it ended in. */
export interface Ended {
  code: number | null;
  out: string;
  errors: string;
}

/** A program of examples/, run as its users run it, in an empty folder of its own. */
export class Example {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fastweight-example-'));
  private readonly script: string;

  /** @param name the program's folder in examples/ */
  constructor(name: string) {
    this.script = bundleScript(path.join(root, 'examples', name, 'main.ts'), `example_${name}`);
  }

  /** Runs the program; `watch` sees all that it has printed so far. */
  run(args: string[], watch?: (out: string, child: ChildProcess) => void): Promise<Ended> {
    const child = spawn(process.execPath, [this.script, ...args], { cwd: this.folder });
    const ended: Ended = { code: null, out: '', errors: '' };
    child.stdout.on('data', (data) => {
      ended.out += data;
      watch?.(ended.out, child);
    });
    child.stderr.on('data', (data) => {
      ended.errors += data;
    });
    return new Promise((resolve) => child.on('close', (code) => resolve({ ...ended, code })));
  }

  /** The path of a file that the program wrote. */
  file(...names: string[]): string {
    return path.join(this.folder, ...names);
  }

  text(...names: string[]): string {
    return fs.readFileSync(this.file(...names), 'utf8');
  }

  dispose(): void {
    fs.rmSync(this.folder, { recursive: true });
  }
}
