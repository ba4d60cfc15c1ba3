import { median, medianRatio, quantile, spread } from '../../bench/statistics';

test('median and quantiles interpolate between neighbours', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantile([0, 10], 0.25)).toBe(2.5);
  expect(quantile([7], 0.9)).toBe(7);
  expect(spread([5, 1, 2, 3, 4])).toEqual({ median: 3, lower: 2, upper: 4 });
});

test('values keep their order', () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});

test('nothing has no median', () => {
  expect(() => median([])).toThrow('Expected at least one value but got none');
});

test('medianRatio is the median of the ratios of each round, not the ratio of medians', () => {
  // The machine slows down tenfold in rounds 1 and 2; in each round theirs takes twice as long.
  expect(medianRatio([2, 20, 20], [1, 10, 10])).toBe(2);
  expect(medianRatio([1, 100, 2], [10, 10, 10])).toBeCloseTo(0.2, 12);
});

test('a rival with fewer rounds is compared with the same rounds of ours', () => {
  expect(medianRatio([4, 4], [1, 2, 1000])).toBe(3);
});
