import Benchmark from 'benchmark';

/**
 * Times one repetition of a synchronous function with Benchmark.js, which calls it as often as its
 * clock needs; how often, is found at the first call and kept.
 */
export class Timer {
  private count = 1;

  constructor(private readonly run: () => void) {}

  /** Seconds of one call. */
  time(): number {
    let failure: unknown;
    const benchmark = new Benchmark({
      fn: () => {
        if (failure !== undefined) return;
        try {
          this.run();
        } catch (error) {
          failure = error;
        }
      },
      initCount: this.count,
      minSamples: 1,
      maxTime: -1, // less than any time: one sample
    });
    benchmark.run({ async: false });
    if (failure !== undefined) throw failure;
    this.count = benchmark.count;
    return benchmark.stats.sample[0];
  }
}
