import { nativeBackend } from '../support/native_backend';
import { ignoredSpecs, otherBackendSpecs, pendingSpecs, publishedSpecs } from './ignored_specs';
import { runSuite } from './run_suite';
import type { SpecResult } from './suite';

describe(`tfjs-core's own suite on ${nativeBackend}`, () => {
  let results: SpecResult[];
  const withStatus = (status: string) => results.filter((spec) => spec.status === status);

  beforeAll(() => {
    results = runSuite();
    console.info(
      `tfjs-core's suite: ${results.length} specs, ${withStatus('passed').length} passed, ` +
        `${Object.keys(ignoredSpecs).length} ignored, ${withStatus('pending').length} pending`,
    );
  }, 300_000);

  it('runs every spec', () => {
    expect(results).toHaveLength(publishedSpecs - otherBackendSpecs);
    expect(withStatus('pending')).toHaveLength(pendingSpecs);
  });

  it('passes every spec that is not ignored', () => {
    const failed = withStatus('failed').filter(({ name }) => !(name in ignoredSpecs));
    expect(failed).toEqual([]);
  });

  it('still fails every spec that is ignored', () => {
    const failed = new Set(withStatus('failed').map(({ name }) => name));
    expect(Object.keys(ignoredSpecs).filter((name) => !failed.has(name))).toEqual([]);
  });
});
