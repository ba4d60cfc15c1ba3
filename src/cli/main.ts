#!/usr/bin/env node
import { convertCommand } from './convert';
import { doctorCommand } from './doctor';
import { runCli } from './run';
import { verifyCommand } from './verify';

const output = {
  write: (line: string) => console.log(line),
  writeError: (line: string) => console.error(line),
};

runCli(process.argv.slice(2), [convertCommand, verifyCommand, doctorCommand], output).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
