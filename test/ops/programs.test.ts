import { FastWeightError, programs } from '../../src';

const flat = (program: programs.ProgramStep[]) =>
  program.map(({ kind, start, end }) => `${kind} ${start} ${end}`).join(', ');

test('shiftedCausal reads each chunk, then writes it; the last is only read', () => {
  expect(flat(programs.shiftedCausal(10, 4))).toBe(
    'apply 0 4, update 0 4, apply 4 8, update 4 8, apply 8 10',
  );
  expect(flat(programs.shiftedCausal(8, 4))).toBe('apply 0 4, update 0 4, apply 4 8');
  expect(flat(programs.shiftedCausal(3, 4))).toBe('apply 0 3');
});

test('updateThenApply writes each chunk, then reads it', () => {
  expect(flat(programs.updateThenApply(6, 4))).toBe('update 0 4, apply 0 4, update 4 6, apply 4 6');
});

test('bidirectional and contextThenAll write once, then read all', () => {
  expect(flat(programs.bidirectional(7))).toBe('update 0 7, apply 0 7');
  expect(flat(programs.contextThenAll(4, 7))).toBe('update 0 4, apply 0 7');
});

test('interleaved reads the first noisy windows, then writes the clean part of each stride', () => {
  // Two noisy repeats of 12 tokens behind each clean window of 12.
  expect(flat(programs.interleaved(96, 12, 36))).toBe(
    'apply 0 24, update 24 36, apply 24 60, update 60 72, apply 60 96',
  );
});

test.each([
  ['a chunk of 0', () => programs.shiftedCausal(8, 0), /at least 1 for chunk but got 0/],
  ['half a token', () => programs.bidirectional(2.5), /for tokens but got 2.5/],
  ['no tokens', () => programs.updateThenApply(0, 4), /at least 1 for tokens but got 0/],
  ['more context than tokens', () => programs.contextThenAll(9, 8), /at least 9 for tokens/],
  ['a part of a stride', () => programs.interleaved(97, 12, 36), /24 tokens and a multiple of 36/],
])('%s is an ERR_PROGRAM', (_name, make, message) => {
  expect(make).toThrow(FastWeightError);
  expect(make).toThrow(message);
  expect(make).toThrow(expect.objectContaining({ code: 'ERR_PROGRAM' }));
});
