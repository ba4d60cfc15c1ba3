import { Random } from '../../src/data/random';

const words = (random: Random, count: number) => Array.from({ length: count }, () => random.word());

test('follows xoshiro128** from its words', () => {
  const random = new Random(0);
  random.restore(Int32Array.of(1, 2, 3, 4));
  // By hand: rotl(2 * 5, 7) * 9 = 11520; the words become 7, 0, 1026, 12288; then rotl(0) * 9 = 0.
  expect(words(random, 2)).toEqual([11520, 0]);
  random.restore(Int32Array.of(1, 2, 3, 4));
  random.word();
  expect([...random.save()]).toEqual([7, 0, 1026, 12288]);
});

test('a seed gives one sequence, another seed another', () => {
  expect(words(new Random(7), 5)).toEqual(words(new Random(7), 5));
  expect(words(new Random(7), 5)).not.toEqual(words(new Random(8), 5));
});

test('goes on from a saved state', () => {
  const random = new Random(3);
  words(random, 10);
  const saved = random.save();
  const next = words(random, 10);
  const other = new Random(99);
  other.restore(saved);
  expect(words(other, 10)).toEqual(next);
});

test('integers fill their range evenly', () => {
  const random = new Random(1);
  const counts = new Array(6).fill(0);
  for (let draw = 0; draw < 60_000; draw++) counts[random.integer(6)]++;
  // Five standard deviations of a count are 456.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(456);
  expect(random.integer(1)).toBe(0);
});

test('uniform numbers have the mean and variance of [0, 1)', () => {
  const random = new Random(2);
  const values = Array.from({ length: 100_000 }, () => random.uniform());
  const mean = values.reduce((sum, x) => sum + x) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  expect(mean).toBeCloseTo(1 / 2, 2);
  expect(variance).toBeCloseTo(1 / 12, 3);
});

test.each([0, -1, 1.5, Number.NaN, 2 ** 32 + 1])('integer(%p) is refused', (end) => {
  expect(() => new Random(0).integer(end)).toThrow(
    expect.objectContaining({ code: 'ERR_RANGE', message: expect.stringContaining(`${end}`) }),
  );
});

test('bad seeds and states are refused', () => {
  expect(() => new Random(0.5)).toThrow('Expected an integer for seed but got 0.5');
  for (const state of [Int32Array.of(1, 2, 3), new Int32Array(4)]) {
    expect(() => new Random(0).restore(state)).toThrow('Expected four words, not all 0');
  }
});
