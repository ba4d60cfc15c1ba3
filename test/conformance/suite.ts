// Runs tfjs-core's suite under jasmine, in a process of its own:
//   node suite.js SPECS_BUNDLE RESULT_FILE
import { writeFileSync } from 'node:fs';
import Jasmine from 'jasmine';

/** What a spec came to. */
export interface SpecResult {
  name: string;
  status: string;
  messages: string[];
}

async function main(specsFile: string, resultFile: string): Promise<void> {
  const runner = new Jasmine({});
  runner.exitOnCompletion = false;
  runner.randomizeTests(false);
  runner.clearReporters();
  const results: SpecResult[] = [];
  runner.addReporter({
    specDone({ fullName, status, failedExpectations }) {
      const messages = failedExpectations.map(({ message }) => message);
      results.push({ name: fullName, status, messages });
    },
  });
  require(specsFile);
  await runner.execute();
  writeFileSync(resultFile, JSON.stringify(results));
}

const [specsFile, resultFile] = process.argv.slice(2);
void main(specsFile, resultFile);
