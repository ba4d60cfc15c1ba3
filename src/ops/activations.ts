import type { Tensor } from '@tensorflow/tfjs-core';
import { type ActivateAttrs, activate, activateGate } from '../kernels/sequence/activations';
import { expected } from '../native/errors';
import { runNativeKernel } from './native_kernel';
import { type ResultOptions, storesResult } from './store_activation';
import { assertBackend, assertFinite, assertLive, assertTensor } from './validate';

function activation<T extends Tensor>(operation: string, attrs: ActivateAttrs, x: T): T {
  assertBackend(operation);
  assertLive('x', x);
  assertFinite('offset', attrs.offset);
  return runNativeKernel(activate, { x }, attrs);
}

/**
 * silu(x) = x sigmoid(x), also called swish.
 *
 * @param x of any shape
 * @param options.stored store the result as an activation, in the same pass; so in {@link gelu},
 * {@link geluTanh} and {@link swiglu}
 * @throws FastWeightError ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED, ERR_DEVICE_UNAVAILABLE
 */
export function silu<T extends Tensor>(x: T, options: ResultOptions = {}): T {
  const stored = storesResult(options);
  return activation('silu', { activation: 'silu', offset: 0, stored }, x);
}

/**
 * gelu(x) = x Phi(x) with the normal distribution function Phi, exact rather than by tanh (arXiv
 * 1606.08415).
 *
 * @param x of any shape
 * @throws FastWeightError as {@link silu}
 */
export function gelu<T extends Tensor>(x: T, options: ResultOptions = {}): T {
  const stored = storesResult(options);
  return activation('gelu', { activation: 'gelu', offset: 0, stored }, x);
}

/**
 * gelu(x) with the normal distribution function by its approximation
 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (arXiv 1606.08415).
 *
 * @param x of any shape
 * @throws FastWeightError as {@link silu}
 */
export function geluTanh<T extends Tensor>(x: T, options: ResultOptions = {}): T {
  const stored = storesResult(options);
  return activation('geluTanh', { activation: 'geluTanh', offset: 0, stored }, x);
}

/**
 * softplus(x + offset) = log(1 + e^(x + offset)), exact to float32's last digits for every x.
 *
 * @param x of any shape
 * @throws FastWeightError ERR_DTYPE, ERR_RANGE, ERR_ARGUMENT, ERR_DISPOSED, ERR_DEVICE_UNAVAILABLE
 */
export function softplus<T extends Tensor>(x: T, offset = 0): T {
  return activation('softplus', { activation: 'softplus', offset, stored: false }, x);
}

/**
 * Step sizes from their projection: softplus(x + softplus^-1(base)), so that x = 0 gives `base`.
 * LaCT (arXiv 2505.23884) uses base 0.001 for language and video, 0.01 for view synthesis.
 *
 * @param x of any shape
 * @param base above 0
 * @throws FastWeightError as {@link softplus}
 */
export function stepSizes<T extends Tensor>(x: T, base: number): T {
  assertFinite('base', base);
  if (base <= 0) throw expected('ERR_RANGE', 'a number above 0', 'base', String(base));
  const offset = base + Math.log(-Math.expm1(-base));
  return activation('stepSizes', { activation: 'softplus', offset, stored: false }, x);
}

/**
 * silu(gate) * up, the hidden layer of a gated MLP (SwiGLU, arXiv 2002.05202).
 *
 * @param gate of any shape
 * @param up shaped as gate
 * @throws FastWeightError ERR_SHAPE, ERR_DTYPE, ERR_ARGUMENT, ERR_DISPOSED,
 *   ERR_DEVICE_UNAVAILABLE
 */
export function swiglu<T extends Tensor>(gate: T, up: T, options: ResultOptions = {}): T {
  assertBackend('swiglu');
  assertLive('gate', gate);
  assertTensor('up', up, gate.shape);
  const attrs: ActivateAttrs = { activation: 'silu', offset: 0, stored: storesResult(options) };
  return runNativeKernel(activateGate, { x: gate, up }, attrs);
}
