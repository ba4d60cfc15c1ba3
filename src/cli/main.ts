#!/usr/bin/env node
import { runCli } from './run';

const output = {
  write: (line: string) => console.log(line),
  writeError: (line: string) => console.error(line),
};

runCli(process.argv.slice(2), [], output).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
