import {
  cast,
  gather,
  serialization,
  type Tensor,
  type Tensor2D,
  tidy,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { linear } from './linear';
import { onlyInput, ParameterLayer, type ParameterLayerArgs } from './parameter_layer';
import { normal, type ParameterSpec } from './parameter_spec';
import { type SequenceArguments, wholeSequences } from './sequence_layout';

export interface VocabularyConfig {
  vocabSize: number;
  hiddenSize: number;
  /** Standard deviation of the initial weights. */
  initializerRange: number;
}

/** A layer that holds one weight [vocabSize, hiddenSize]. */
abstract class VocabularyLayer extends ParameterLayer {
  protected readonly config: VocabularyConfig;

  constructor(args: VocabularyConfig & ParameterLayerArgs) {
    super(args);
    const { vocabSize, hiddenSize, initializerRange } = args;
    this.config = { vocabSize, hiddenSize, initializerRange };
  }

  protected override parameters(): ParameterSpec[] {
    const { vocabSize, hiddenSize, initializerRange } = this.config;
    return [
      { name: 'weight', shape: [vocabSize, hiddenSize], initializer: normal(initializerRange) },
    ];
  }

  protected override settings(): serialization.ConfigDict {
    return { ...this.config };
  }
}

/**
 * The language-model head: [batch, tokens, hiddenSize] -> logits [batch, tokens, vocabSize], of fewer
 * tokens where the call's `sequence` wants fewer.
 */
export class LanguageModelHead extends VocabularyLayer {
  static readonly className: string = 'FastWeightLanguageModelHead';

  override computeOutputShape(inputShape: Shape): Shape {
    return [...inputShape.slice(0, -1), this.config.vocabSize];
  }

  override call(
    inputs: Tensor | Tensor[],
    { sequence = wholeSequences }: SequenceArguments = {},
  ): Tensor {
    return tidy(() => linear(sequence.predicted(onlyInput(inputs)), this.parameter('weight')));
  }
}

/**
 * The embedding of tokens: ids [batch, tokens] -> [batch, tokens, hiddenSize]. Called on
 * [batch, tokens, hiddenSize] it is the language-model head tied to it, by the same weights.
 */
export class TokenEmbedding extends LanguageModelHead {
  static override readonly className = 'FastWeightTokenEmbedding';

  override computeOutputShape(inputShape: Shape): Shape {
    const isIds = inputShape.length === 2;
    return isIds ? [...inputShape, this.config.hiddenSize] : super.computeOutputShape(inputShape);
  }

  override call(inputs: Tensor | Tensor[], args?: SequenceArguments): Tensor {
    const x = onlyInput(inputs);
    if (x.rank !== 2) return super.call(inputs, args);
    return tidy(() => gather(this.parameter<Tensor2D>('weight'), cast(x, 'int32')));
  }
}

serialization.registerClass(TokenEmbedding);
serialization.registerClass(LanguageModelHead);
