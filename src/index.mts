// The ESM entry: the CommonJS modules under another syntax, so a program that uses both holds one
// copy of every class.
export * from './index.js';
