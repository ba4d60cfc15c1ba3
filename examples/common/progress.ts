import { Presets, SingleBar } from 'cli-progress';

/** What is shown of a step. */
export interface Shown {
  /** Steps done and to do. */
  done: number;
  total: number;
  /** Smoothed loss, in nats. */
  loss: number;
  tokensPerSecond: number;
  secondsLeft: number;
}

/** Shares of the past in the loss and the pace that are shown. */
const lossMemory = 0.95;
const paceMemory = 0.9;

/** A mean in which each value before counts less; exact from the first value on. */
class MovingMean {
  private sum = 0;
  private weight = 0;

  constructor(private readonly memory: number) {}

  add(value: number): number {
    this.sum = this.memory * this.sum + (1 - this.memory) * value;
    this.weight = this.memory * this.weight + (1 - this.memory);
    return this.sum / this.weight;
  }
}

/** A bar on a terminal; elsewhere a line now and then, so that logs read well. */
export class Progress {
  private readonly bar: SingleBar | undefined;
  private readonly loss = new MovingMean(lossMemory);
  private readonly stepSeconds = new MovingMean(paceMemory);
  /** The twentieth of the run that the last line was in; the total may change, but no line repeats. */
  private lastTwentieth = -1;

  /** @param showLoss a loss in nats as it is to be read, with its unit */
  constructor(
    private readonly tokensPerStep: number,
    private readonly showLoss: (nats: number) => string,
  ) {
    if (!process.stdout.isTTY) return;
    const format =
      '{bar} {percentage}% | step {value}/{total} | {loss} | {speed} tokens/s | {left} left';
    this.bar = new SingleBar({ format, barsize: 24, hideCursor: true }, Presets.shades_classic);
  }

  /** Shows a step that took `seconds`; `total` may change as the pace becomes known. */
  update(done: number, total: number, nats: number, seconds: number): void {
    const pace = this.stepSeconds.add(seconds);
    this.show({
      done,
      total,
      loss: this.loss.add(nats),
      tokensPerSecond: this.tokensPerStep / pace,
      secondsLeft: (total - done) * pace,
    });
  }

  private show(shown: Shown): void {
    const { done, total } = shown;
    const loss = this.showLoss(shown.loss);
    const speed = Math.round(shown.tokensPerSecond);
    const left = clock(shown.secondsLeft);
    if (this.bar) {
      if (!this.bar.isActive) this.bar.start(total, done, { loss, speed, left });
      this.bar.setTotal(total);
      this.bar.update(done, { loss, speed, left });
      return;
    }
    const twentieth = Math.floor((20 * done) / total);
    if (twentieth <= this.lastTwentieth) return;
    this.lastTwentieth = twentieth;
    console.log(`step ${done}/${total}: ${loss}, ${speed} tokens/s, ${left} left`);
  }

  /** Ends the bar, so that what follows is printed below it. */
  stop(): void {
    this.bar?.stop();
  }
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${`${whole % 60}`.padStart(2, '0')}`;
}
