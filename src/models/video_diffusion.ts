import {
  input,
  type LayersModel,
  layers,
  model,
  type SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import { BiasedLinear } from '../layers/biased_linear';
import { CrossAttention } from '../layers/cross_attention';
import { LayerNorm } from '../layers/layer_norm';
import { GatedResidual, ModulatedNorm, Modulation, TimeProjection } from '../layers/modulation';
import { xavier } from '../layers/parameter_spec';
import { SinusoidalEmbedding } from '../layers/time_embedding';
import { VideoAttention } from '../layers/video_attention';
import { PatchEmbedding, VideoHead } from '../layers/video_patches';
import {
  resolveVideoDiffusionConfig,
  type VideoDiffusionConfig,
  videoAttentionSettings,
  windowGrid,
} from './video_diffusion_config';

/** Standard deviation of the initial weights of the time and context embeddings. */
const embeddingRange = 0.02;

/** Places of a block's modulations: shift, scale and gate of the attention, then of the MLP. */
const places = { attention: { shift: 0, gate: 2 }, mlp: { shift: 3, gate: 5 } };

/**
 * The autoregressive video diffusion transformer with LaCT layers (arXiv 2505.23884, section 4.3):
 * patches; a time embedding for each window, which shifts, scales and gates every block; in each
 * block window attention with fast weights, attention to the context, an MLP; patches again.
 * Parameters carry the published names, see {@link namedParameters}.
 *
 * Inputs, in order:
 * - video windows [batch, windows, frames, height, width, channels]: for each window of the video
 *   its `numRepeat` noisy versions, then the clean one; the last clean one is left out;
 * - their times [batch, windows], from 0 (clean) to 1000 (noise);
 * - with `textDim`: context embeddings [batch, context tokens, textDim].
 *
 * The output is the velocity noise - video of every window, shaped as the windows; that of clean
 * windows means nothing.
 *
 * @param config settings that differ from the published 1.3B model's
 * @param options.seed of the initial weights, default 0
 * @throws FastWeightError ERR_ARGUMENT for a setting that is unknown or out of its range
 */
export function videoDiffusion(
  config: Partial<VideoDiffusionConfig>,
  options: { seed?: number } = {},
): LayersModel {
  const resolved = resolveVideoDiffusionConfig(config);
  const { channels, windowFrames, height, width, patchSize, dim, eps, textDim } = resolved;
  let seed = 1000 * (options.seed ?? 0);
  const args = (name: string) => ({ name, seed: seed++ });
  const windows = input({ shape: [null, windowFrames, height, width, channels], name: 'windows' });
  const times = input({ shape: [null], name: 'times' });
  const time = chain(times, [
    new SinusoidalEmbedding({ size: resolved.freqDim, ...args('time_sinusoids') }),
    ...embedding('silu', resolved.freqDim, dim, (name) => args(`time_embedding${name}`)),
  ]);
  const modulations = chain(time, [new TimeProjection(args('time_projection.1'))]);
  const context = textDim > 0 ? input({ shape: [null, textDim], name: 'context' }) : undefined;
  const textLayers = embedding('geluTanh', textDim, dim, (name) => args(`text_embedding${name}`));
  const text = context && chain(context, textLayers);
  let x = chain(windows, [
    new PatchEmbedding({ channels, patchSize, dim, ...args('patch_embedding') }),
  ]);
  for (let index = 0; index < resolved.numLayers; index++) {
    x = block(x, { modulations, text }, resolved, (name) => args(`blocks.${index}${name}`));
  }
  const grid = windowGrid(resolved);
  const head = new VideoHead({ channels, patchSize, dim, grid, eps, ...args('head') });
  const velocity = head.apply([x, time]) as SymbolicTensor;
  const inputs = context ? [windows, times, context] : [windows, times];
  return model({ inputs, outputs: velocity, name: 'lact_video_diffusion' });
}

type Args = { name: string; seed: number };

/** The layers that embed times or a context; as in a published sequence, the maps are 0 and 2. */
function embedding(
  activation: 'silu' | 'geluTanh',
  inputSize: number,
  dim: number,
  args: (name: string) => Args,
): BiasedLinear[] {
  const sizes = { initializerRange: embeddingRange, outputSize: dim };
  return [
    new BiasedLinear({ ...sizes, inputSize, activation, ...args('.0') }),
    new BiasedLinear({ ...sizes, inputSize: dim, activation: 'none', ...args('.2') }),
  ];
}

/** One transformer block; `args` names its layers by what follows the block's own name. */
function block(
  x: SymbolicTensor,
  { modulations, text }: { modulations: SymbolicTensor; text?: SymbolicTensor },
  config: VideoDiffusionConfig,
  args: (name: string) => Args,
): SymbolicTensor {
  const { dim, ffnDim, numHeads, eps } = config;
  const own = chain(modulations, [new Modulation(args(''))]);
  const normed = (y: SymbolicTensor, name: string, { shift }: { shift: number }) =>
    new ModulatedNorm({ shift, epsilon: eps, ...args(name) }).apply([y, own]) as SymbolicTensor;
  const added = (y: SymbolicTensor, branch: SymbolicTensor, name: string, gate: number) =>
    new GatedResidual({ gate, ...args(name) }).apply([y, branch, own]) as SymbolicTensor;

  const attended = chain(normed(x, '.norm1', places.attention), [
    new VideoAttention({ ...videoAttentionSettings(config), ...args('.self_attn') }),
  ]);
  let y = added(x, attended, '.self_attn_residual', places.attention.gate);
  if (text !== undefined) {
    const query = chain(y, [new LayerNorm({ epsilon: eps, bias: true, ...args('.norm3') })]);
    const cross = new CrossAttention({ dim, numHeads, eps, ...args('.cross_attn') });
    const seen = cross.apply([query, text]) as SymbolicTensor;
    const { name } = args('.cross_attn_residual');
    y = layers.add({ name }).apply([y, seen]) as SymbolicTensor;
  }
  const mixed = chain(normed(y, '.norm2', places.mlp), [
    mlp(dim, ffnDim, 'geluTanh', args('.ffn.0')),
    mlp(ffnDim, dim, 'none', args('.ffn.2')),
  ]);
  return added(y, mixed, '.ffn_residual', places.mlp.gate);
}

/** One of the maps of an MLP. */
function mlp(
  inputSize: number,
  outputSize: number,
  activation: 'geluTanh' | 'none',
  args: Args,
): BiasedLinear {
  const initializerRange = xavier(inputSize, outputSize);
  return new BiasedLinear({ inputSize, outputSize, activation, initializerRange, ...args });
}

function chain(x: SymbolicTensor, stages: layers.Layer[]): SymbolicTensor {
  return stages.reduce((y, stage) => stage.apply(y) as SymbolicTensor, x);
}
