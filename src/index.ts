/**
 * fastweight: fast-weight test-time-training layers for TensorFlow.js on a native core. Importing it
 * registers the tfjs backends 'fastweight-cuda' and 'fastweight-cpu', of which `await tf.ready()` picks
 * the first that works.
 */
import './kernels/register';

export {
  type ActivationStorage,
  activationStorage,
  setActivationStorage,
} from './backend/activation_storage';
export {
  type MatmulPrecision,
  matmulPrecision,
  setMatmulPrecision,
} from './backend/matmul_precision';
export { cudaBackend } from './backend/register';
export {
  type BatchShape,
  randomBatch,
  sequentialBatches,
  type TokenBatch,
  textBytes,
} from './data/byte_dataset';
export {
  type Camera,
  interpolateCameras,
  intrinsicsOf,
  lookAt,
  normalisePoses,
  type Turntable,
  turntable,
} from './data/camera';
export { type MovingSpritesShape, movingSprites, type Sprite } from './data/moving_sprites';
export {
  type CameraTensors,
  cameraTensors,
  type PosedScene,
  type PosedView,
  type ViewTensors,
  viewTensors,
} from './data/posed_scene';
export { type ProceduralSceneOptions, proceduralScene } from './data/procedural_scenes';
export { Random } from './data/random';
export { loadSceneFolder, type SceneFolderOptions } from './data/scene_folder';
export { byteTokenizer, loadTokenizer, type Tokenizer } from './data/tokenizer';
export { type LineChart, type LineSeries, lineChartSvg } from './io/chart';
export { FastWeightAttention } from './layers/fast_weight_attention';
export type { FastWeightAttentionConfig } from './layers/fast_weight_attention_config';
export { GatedMlp, type GatedMlpConfig } from './layers/gated_mlp';
export type { CuSeqlens } from './layers/packed_documents';
export type { ParameterLayerArgs } from './layers/parameter_layer';
export { RmsNorm } from './layers/rms_norm';
export { LanguageModelHead, TokenEmbedding, type VocabularyConfig } from './layers/token_embedding';
export { VideoAttention } from './layers/video_attention';
export type { VideoAttentionConfig } from './layers/video_attention_config';
export { VideoCache } from './layers/video_cache';
export { loadParameters, saveParameters, writeParameters } from './models/checkpoint_parameters';
export {
  type DocumentOptions,
  LanguageModel,
  languageModel,
  languageModelLoss,
} from './models/language_model';
export {
  fromPublishedConfig,
  type LanguageModelConfig,
  resolveLanguageModelConfig,
} from './models/language_model_config';
export { languageModelParameters } from './models/language_model_parameters';
export { LanguageModelSession, type SessionMark } from './models/language_model_session';
export { namedParameters, namedVariables, type Parameter } from './models/named_parameters';
export type { ImageSize, PosedImages } from './models/posed_patches';
export { Sampler, type SamplerOptions } from './models/sampler';
export { videoDiffusion } from './models/video_diffusion';
export {
  resolveVideoDiffusionConfig,
  type VideoDiffusionConfig,
} from './models/video_diffusion_config';
export {
  type ContextVideoBatch,
  shiftedTime,
  type VideoBatch,
  velocityErrors,
  videoDiffusionLoss,
} from './models/video_loss';
export {
  readWindow,
  sampleVideo,
  type VideoSamplingOptions,
  writeWindow,
} from './models/video_sampling';
export {
  type ViewSynthesisLossOptions,
  ViewSynthesisModel,
  viewSynthesis,
  viewSynthesisLoss,
} from './models/view_synthesis';
export {
  fromPublishedViewSynthesisConfig,
  resolveViewSynthesisConfig,
  type ViewSynthesisConfig,
} from './models/view_synthesis_config';
export { instructionSets, numThreads, setNumThreads } from './native/cpu';
export type { InstructionSet } from './native/cpu_addon';
export { type ErrorCode, FastWeightError } from './native/errors';
export { gelu, geluTanh, silu, softplus, stepSizes, swiglu } from './ops/activations';
export { type AttentionOptions, attention } from './ops/attention';
export { type CameraRays, type Cameras, cameraRays } from './ops/camera_rays';
export { type FastWeightAdvanceOptions, fastWeightAdvance } from './ops/fast_weight_advance';
export { fastWeightApply } from './ops/fast_weight_apply';
export {
  type FastWeightInputs,
  type FastWeightScanOptions,
  type FastWeightScanResult,
  fastWeightScan,
  fastWeightScanOutput,
} from './ops/fast_weight_scan';
export {
  type FastWeightNorms,
  FastWeightState,
  type FastWeightStateParts,
  type FastWeights,
  type PendingTokens,
} from './ops/fast_weight_state';
export { psnr, ssim } from './ops/image_quality';
export {
  type NewtonSchulzMethod,
  type NewtonSchulzOptions,
  newtonSchulz,
} from './ops/newton_schulz';
export type { NewtonSchulzSchedule, NewtonSchulzTriple } from './ops/newton_schulz_schedule';
export { l2Norm, layerNorm, rmsNorm } from './ops/norms';
export type { Program, ProgramStep } from './ops/programs';
export * as programs from './ops/programs';
export { dropout, randomNormal, randomUniform } from './ops/random';
export { type RotaryEmbeddingOptions, rotaryEmbedding } from './ops/rotary_embedding';
export {
  axialRotaryTable,
  type RotaryAxis,
  type RotaryTable,
  rotaryEmbeddingByTable,
} from './ops/rotary_table';
export {
  type SlidingWindowAttentionOptions,
  slidingWindowAttention,
} from './ops/sliding_window_attention';
export { softmaxCrossEntropy } from './ops/softmax_cross_entropy';
export { type ResultOptions, storeActivation } from './ops/store_activation';
export { AdamW, type AdamWOptions } from './optimizers/adamw';

export { Muon, type MuonOptions } from './optimizers/muon';

export * as reference from './reference';
export {
  readCheckpoint,
  type TrainingCheckpoint,
  writeCheckpoint,
} from './training/checkpoint';
export { clipByGlobalNorm, globalNorm } from './training/clip_gradients';
export { bitsPerByte, meanLoss } from './training/evaluate';
export {
  type FlowMatchingOptions,
  flowMatchingBatch,
  logitNormalDensity,
} from './training/flow_matching';
export type { LossFunction, TensorBatch } from './training/loss_gradients';
export { type Schedule, type WarmupCosine, warmupCosine } from './training/schedule';
export {
  type DataCursor,
  type ScheduledOptimizer,
  type StepReport,
  Trainer,
  type TrainerOptions,
} from './training/trainer';
export { type Comparison, compare, describeComparison, holds } from './verify/compare';
export { contract, type Tolerance } from './verify/contract';
