import { type Tensor3D, type Tensor4D, transpose } from '@tensorflow/tfjs-core';
import { reshape } from './lean_ops';

/** [batch, tokens, heads * dim] -> [batch, tokens, heads, dim] */
export function splitHeads(x: Tensor3D, heads: number): Tensor4D {
  const [batch, tokens, width] = x.shape;
  return reshape(x, [batch, tokens, heads, width / heads]);
}

/** [batch, tokens, heads, dim] -> [batch, tokens, heads * dim] */
export function joinHeads(x: Tensor4D): Tensor3D {
  const [batch, tokens, heads, dim] = x.shape;
  return reshape(x, [batch, tokens, heads * dim]);
}

/** [batch, tokens, heads * dim] -> [batch * heads, tokens, dim] */
export function toRows(x: Tensor3D, heads: number): Tensor3D {
  const [batch, tokens, width] = x.shape;
  if (heads === 1) return x;
  const turned = transpose(splitHeads(x, heads), [0, 2, 1, 3]);
  return reshape(turned, [batch * heads, tokens, width / heads]);
}

/** [batch * heads, tokens, dim] -> [batch, tokens, heads * dim] */
export function fromRows(x: Tensor3D, heads: number): Tensor3D {
  if (heads === 1) return x;
  const [rows, tokens, dim] = x.shape;
  const turned: Tensor4D = reshape(x, [rows / heads, heads, tokens, dim]);
  return joinHeads(transpose(turned, [0, 2, 1, 3]));
}
