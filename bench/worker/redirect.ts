// Loaded ahead of the worker (node --require): every module of TensorFlow.js, for the worker and the
// reference alike, comes from the folder that BENCH_TFJS_NODE names, so that there is one engine.
import Module from 'node:module';

type Resolve = (request: string, parent: unknown, isMain: boolean, options?: object) => string;

const folder = process.env.BENCH_TFJS_NODE;
const loader = Module as unknown as { _resolveFilename: Resolve };
const resolve = loader._resolveFilename;

loader._resolveFilename = (request, parent, isMain, options) =>
  folder !== undefined && request.startsWith('@tensorflow/')
    ? resolve(request, parent, isMain, { ...options, paths: [folder] })
    : resolve(request, parent, isMain, options);
