import { warmupCosine } from '../../src/training/schedule';

test('grows linearly to the peak, then falls by half a cosine to the final rate', () => {
  const schedule = warmupCosine({ peak: 1, final: 0.1, warmupSteps: 4, totalSteps: 15 });
  expect([0, 1, 2, 3].map(schedule)).toEqual([0.25, 0.5, 0.75, 1]);
  expect(schedule(4)).toBe(1);
  expect(schedule(9)).toBeCloseTo(0.55, 12);
  expect(schedule(14)).toBeCloseTo(0.1, 12);
  expect(schedule(1000)).toBeCloseTo(0.1, 12);
});

test('works without warm-up and with nothing but warm-up', () => {
  const falling = warmupCosine({ peak: 2, final: 0, warmupSteps: 0, totalSteps: 2 });
  expect([falling(0), falling(1)]).toEqual([2, 0]);
  const rising = warmupCosine({ peak: 2, final: 0, warmupSteps: 2, totalSteps: 2 });
  expect([rising(0), rising(1), rising(2)]).toEqual([1, 2, 0]);
});

test.each([
  [{ peak: -1 }, 'Expected a rate of at least 0 for peak but got -1'],
  [{ final: Number.NaN }, 'Expected a rate of at least 0 for final but got NaN'],
  [{ warmupSteps: 1.5 }, 'Expected a number of steps for warmupSteps but got 1.5'],
  [{ totalSteps: -2 }, 'Expected a number of steps for totalSteps but got -2'],
])('%j is refused', (change, message) => {
  const settings = { peak: 1, final: 0, warmupSteps: 1, totalSteps: 2, ...change };
  expect(() => warmupCosine(settings)).toThrow(message);
});
