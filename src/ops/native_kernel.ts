import { engine, type NamedAttrMap, type NamedTensorMap, type Tensor } from '@tensorflow/tfjs-core';

/**
 * Runs a native kernel and returns its first output; what others it has serve its gradient.
 *
 * @param inputs by name, or by position where some may be absent
 */
export function runNativeKernel<T extends Tensor>(
  kernelName: string,
  inputs: NamedTensorMap | readonly Tensor[],
  attrs: object = {},
): T {
  const outputs: Tensor | Tensor[] = engine().runKernel(
    kernelName,
    inputs as NamedTensorMap,
    attrs as NamedAttrMap,
  );
  if (!Array.isArray(outputs)) return outputs as T;
  const [output, ...auxiliary] = outputs;
  for (const tensor of auxiliary) tensor.dispose();
  return output as T;
}
