import { deviceChoice } from '../../src/native/device_choice';

test.each([
  [undefined, 'auto', 0],
  ['', 'auto', 0],
  ['cpu', 'cpu', 0],
  ['cuda', 'cuda', 0],
  ['cuda:3', 'cuda', 3],
])('FASTWEIGHT_DEVICE=%s chooses %s and GPU %i', (text, kind, index) => {
  expect(deviceChoice(text)).toEqual({ kind, index });
});

test.each(['gpu', 'cuda:', 'cuda:-1', 'cuda:1.5', 'CPU'])(
  'FASTWEIGHT_DEVICE=%s is refused',
  (text) => {
    expect(() => deviceChoice(text)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining(text) }),
    );
  },
);
