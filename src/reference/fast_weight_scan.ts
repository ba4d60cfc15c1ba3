import * as tf from '@tensorflow/tfjs-core';

import type { FastWeightInputs, FastWeightScanOptions } from '../ops/fast_weight_scan';
import type { FastWeights } from '../ops/fast_weight_state';
import type { Program, ProgramStep } from '../ops/programs';
import { silu } from './activations';
import { newtonSchulz } from './newton_schulz';
import { detach, norm } from './norms';

export interface ReferenceScanResult {
  /** [rows, tokens of all applies, valueDim]: every apply's result in program order */
  output: tf.Tensor3D;
  state: {
    /** The final weights as they are read. */
    weights: FastWeights;
    /** The final weights as they are stored; differs from `weights` for weightNorm 'pre'. */
    mainWeights: FastWeights;
    /** The momenta after the last update, where `momentum` was given. */
    momenta?: FastWeights;
  };
}

const names = ['w0', 'w1', 'w2'] as const;

function each(f: (name: (typeof names)[number]) => tf.Tensor): FastWeights {
  return { w0: f('w0'), w1: f('w1'), w2: f('w2') } as FastWeights;
}

/** f(x) = w1 (silu(w0 x) * (w2 x)) on x [rows, tokens, keyDim] -> [rows, tokens, valueDim]. */
function apply(w: FastWeights, x: tf.Tensor3D): tf.Tensor3D {
  const gate = tf.matMul(x, w.w0, false, true);
  const up = tf.matMul(x, w.w2, false, true);
  return tf.matMul(tf.mul(silu(gate), up), w.w1, false, true);
}

/** Descent directions of -sum_t <f(k_t), v_t>, each token's share scaled by its step sizes. */
function descent(w: FastWeights, k: tf.Tensor3D, v: tf.Tensor3D, rates: tf.Tensor3D): FastWeights {
  const [r0, r1, r2] = tf.split(rates, 3, 2);
  const gate = tf.matMul(k, w.w0, false, true);
  const up = tf.matMul(k, w.w2, false, true);
  const dHidden = tf.matMul(v, w.w1);
  const sigma = tf.sigmoid(gate);
  const activated = tf.mul(gate, sigma);
  const slope = tf.mul(sigma, tf.add(1, tf.mul(gate, tf.sub(1, sigma))));
  const dGate = tf.mul(tf.mul(dHidden, up), slope);
  const dUp = tf.mul(dHidden, activated);
  return {
    w0: tf.matMul(tf.mul(dGate, r0), k, true, false) as tf.Tensor3D,
    w1: tf.matMul(v, tf.mul(tf.mul(activated, up), r1), true, false) as tf.Tensor3D,
    w2: tf.matMul(tf.mul(dUp, r2), k, true, false) as tf.Tensor3D,
  };
}

/**
 * Runs a program of updates and applies over one set of fast weights (LaCT, arXiv 2505.23884,
 * section 3): an apply reads o_t = f(q_t), an update takes one step on a whole range of tokens with
 * momentum, Newton-Schulz and row normalisation as the options say. Differentiable by tfjs in every
 * tensor it is given.
 *
 * @param inputs shapes at {@link FastWeightInputs}
 * @param weights the initial weights
 * @param program ranges may overlap, repeat and leave gaps; at least one apply
 * @returns new tensors, the caller's to dispose
 */
export function fastWeightScan(
  inputs: FastWeightInputs,
  weights: FastWeights,
  program: Program,
  options: FastWeightScanOptions = {},
): ReferenceScanResult {
  const { optimizer = 'gd', weightNorm = 'post', detachNorm = false } = options;
  const schedule = optimizer === 'muon' ? (options.newtonSchulz ?? 'you5') : undefined;
  return tf.tidy(() => {
    const rowNorms = each((name) => {
      const rowNorm = norm(weights[name], [2]);
      return detachNorm ? detach(rowNorm) : rowNorm;
    });
    const tokens = (x: tf.Tensor3D, { start, end }: ProgramStep) =>
      tf.slice(x, [0, start, 0], [-1, end - start, -1]);
    const outputs: tf.Tensor3D[] = [];
    let live = weights;
    let main = weights;
    let momenta: FastWeights | undefined;
    if (inputs.momentum) momenta = each((name) => tf.zerosLike(weights[name]));

    for (const step of program) {
      if (step.kind === 'apply') {
        outputs.push(apply(live, tokens(inputs.q, step)));
        continue;
      }
      const read = [inputs.k, inputs.v, inputs.rates].map((x) => tokens(x, step));
      let delta = descent(live, read[0], read[1], read[2]);
      if (inputs.momentum && momenta) {
        const beta = tf.mean(tokens(inputs.momentum, step), 1, true);
        const [direction, before] = [delta, momenta];
        delta = each((name) => tf.add(direction[name], tf.mul(beta, before[name])));
        momenta = delta;
      }
      if (schedule !== undefined) {
        const direction = delta;
        delta = each((name) => newtonSchulz(direction[name], schedule));
      }
      const [before, change] = [main, delta];
      main = each((name) => tf.add(before[name], change[name]));
      if (weightNorm === 'none') {
        live = main;
      } else {
        const stored = main;
        live = each((name) =>
          tf.mul(tf.div(stored[name], tf.add(norm(stored[name], [2]), 1e-5)), rowNorms[name]),
        );
      }
      if (weightNorm === 'post') main = live;
    }

    // Clones, so that no result is an input or another result: each can be disposed by itself.
    const own = (from: FastWeights) => each((name) => tf.clone(from[name]));
    const state: ReferenceScanResult['state'] = { weights: own(live), mainWeights: own(main) };
    if (momenta) state.momenta = own(momenta);
    const result: ReferenceScanResult = { output: tf.concat(outputs, 1), state };
    return result as ReferenceScanResult & tf.TensorContainerObject;
  });
}
