import { expected } from '../native/errors';

/** What a tensor of a checkpoint must be. */
export interface TensorLayout {
  dtype: string;
  shape: readonly number[];
}

/** Throws ERR_CHECKPOINT unless the tensor `got` is there and as wanted. */
export function checkTensor(
  argument: string,
  wanted: TensorLayout,
  got: TensorLayout | undefined,
): asserts got {
  const describe = ({ dtype, shape }: TensorLayout) => `${dtype} [${shape.join(', ')}]`;
  const found = got ? describe(got) : 'none';
  if (found !== describe(wanted)) {
    throw expected('ERR_CHECKPOINT', describe(wanted), argument, found);
  }
}

/**
 * Checks that the tensors of a checkpoint are those wanted: no name missing or unknown, each of its
 * dtype and shape.
 *
 * @param kind what the tensors are, for the message, such as 'parameter'
 * @throws FastWeightError ERR_CHECKPOINT
 */
export function checkTensors(
  kind: string,
  wanted: ReadonlyMap<string, TensorLayout>,
  got: ReadonlyMap<string, TensorLayout>,
): void {
  for (const [name, layout] of wanted) checkTensor(`${kind} '${name}'`, layout, got.get(name));
  for (const name of got.keys()) {
    if (wanted.has(name)) continue;
    throw expected('ERR_CHECKPOINT', `names that the model has`, `${kind}s`, `'${name}'`);
  }
}
