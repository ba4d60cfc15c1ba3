import * as tf from '@tensorflow/tfjs-core';

import type { FastWeightInputs, FastWeightScanOptions } from '../ops/fast_weight_scan';
import type { FastWeightNorms, FastWeightStateParts, FastWeights } from '../ops/fast_weight_state';
import type { Program, ProgramStep } from '../ops/programs';
import { silu } from './activations';
import { newtonSchulz } from './newton_schulz';
import { detach, norm } from './norms';
import { matMul } from './products';

export interface ReferenceScanResult {
  /** [rows, tokens of all applies, valueDim]: every apply's result in program order */
  output: tf.Tensor3D;
  /** What a further scan goes on from. */
  state: FastWeightStateParts & {
    /** The final weights as they are stored; other than `weights` for weightNorm 'pre'. */
    mainWeights: FastWeights;
  };
}

const names = ['w0', 'w1', 'w2'] as const;

function each(f: (name: (typeof names)[number]) => tf.Tensor): FastWeights {
  return { w0: f('w0'), w1: f('w1'), w2: f('w2') } as FastWeights;
}

/** f(x) = w1 (silu(w0 x) * (w2 x)) on x [rows, tokens, keyDim] -> [rows, tokens, valueDim]. */
export function fastWeightApply(w: FastWeights, x: tf.Tensor3D): tf.Tensor3D {
  const gate = matMul(x, w.w0, false, true);
  const up = matMul(x, w.w2, false, true);
  return matMul(tf.mul(silu(gate), up), w.w1, false, true);
}

/** Descent directions of -sum_t <f(k_t), v_t>, each token's share scaled by its step sizes. */
function descent(w: FastWeights, k: tf.Tensor3D, v: tf.Tensor3D, rates: tf.Tensor3D): FastWeights {
  const [r0, r1, r2] = tf.split(rates, 3, 2);
  const gate = matMul(k, w.w0, false, true);
  const up = matMul(k, w.w2, false, true);
  const dHidden = matMul(v, w.w1);
  const sigma = tf.sigmoid(gate);
  const activated = tf.mul(gate, sigma);
  const slope = tf.mul(sigma, tf.add(1, tf.mul(gate, tf.sub(1, sigma))));
  const dGate = tf.mul(tf.mul(dHidden, up), slope);
  const dUp = tf.mul(dHidden, activated);
  return {
    w0: matMul(tf.mul(dGate, r0), k, true, false) as tf.Tensor3D,
    w1: matMul(v, tf.mul(tf.mul(activated, up), r1), true, false) as tf.Tensor3D,
    w2: matMul(tf.mul(dUp, r2), k, true, false) as tf.Tensor3D,
  };
}

/**
 * Runs a program of updates and applies over one set of fast weights (LaCT, arXiv 2505.23884,
 * section 3): an apply reads o_t = f(q_t), an update takes one step on a whole range of tokens with
 * momentum, Newton-Schulz and row normalisation as the options say. Differentiable by tfjs in every
 * tensor it is given.
 *
 * @param inputs shapes at {@link FastWeightInputs}
 * @param weights the initial weights, or the state of an earlier scan
 * @param program ranges may overlap, repeat and leave gaps
 * @returns new tensors, the caller's to dispose
 */
export function fastWeightScan(
  inputs: FastWeightInputs,
  weights: FastWeights | FastWeightStateParts,
  program: Program,
  options: FastWeightScanOptions = {},
): ReferenceScanResult {
  const start: FastWeightStateParts = 'weights' in weights ? weights : { weights };
  const { q, k, v, rates, momentum } = inputs;
  const { optimizer = 'gd', weightNorm = 'post', detachNorm = false } = options;
  const schedule = optimizer === 'muon' ? (options.newtonSchulz ?? 'you5') : undefined;
  return tf.tidy(() => {
    const rowNorms = each((name) => {
      const given = start.norms && tf.expandDims(start.norms[name], 2);
      const rowNorm = given ?? norm(start.weights[name], [2]);
      return detachNorm ? detach(rowNorm) : rowNorm;
    });
    const tokens = (x: tf.Tensor3D, { start, end }: ProgramStep) =>
      tf.slice(x, [0, start, 0], [-1, end - start, -1]);
    const outputs: tf.Tensor3D[] = [];
    let live = start.weights;
    let main = start.mainWeights ?? live;
    let { momenta } = start;
    if (momentum) momenta ??= each((name) => tf.zerosLike(live[name]));

    for (const step of program) {
      if (step.kind === 'apply') {
        outputs.push(fastWeightApply(live, tokens(q as tf.Tensor3D, step)));
        continue;
      }
      const read = [k, v, rates].map((x) => tokens(x as tf.Tensor3D, step));
      let delta = descent(live, read[0], read[1], read[2]);
      if (momentum && momenta) {
        const beta = tf.mean(tokens(momentum, step), 1, true);
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
    const final = own(live);
    const state: ReferenceScanResult['state'] = {
      weights: final,
      mainWeights: weightNorm === 'pre' ? own(main) : final,
      weightNorm,
    };
    if (momenta) state.momenta = own(momenta);
    if (weightNorm !== 'none') {
      state.norms = each((name) => tf.squeeze(rowNorms[name], [2])) as unknown as FastWeightNorms;
    }
    const [rows, valueDim] = final.w1.shape;
    const output = outputs.length > 0 ? tf.concat(outputs, 1) : tf.zeros([rows, 0, valueDim]);
    return { output, state } as unknown as tf.TensorContainerObject;
  }) as unknown as ReferenceScanResult;
}
