import { expected } from './errors';

/** The device that FASTWEIGHT_DEVICE asks for; 'auto' where it is not set. */
export interface DeviceChoice {
  kind: 'auto' | 'cpu' | 'cuda';
  /** The GPU. */
  index: number;
}

/**
 * Reads the value of FASTWEIGHT_DEVICE: `cpu`, `cuda`, or `cuda:1` for the second GPU.
 *
 * @throws FastWeightError ERR_ARGUMENT for anything else
 */
export function deviceChoice(text: string | undefined): DeviceChoice {
  if (!text) return { kind: 'auto', index: 0 };
  if (text === 'cpu') return { kind: 'cpu', index: 0 };
  const match = /^cuda(?::(\d{1,3}))?$/.exec(text);
  if (match === null) {
    throw expected('ERR_ARGUMENT', "'cpu', 'cuda' or 'cuda:N'", 'FASTWEIGHT_DEVICE', `'${text}'`);
  }
  return { kind: 'cuda', index: Number(match[1] ?? 0) };
}
