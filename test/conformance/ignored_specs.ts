/** Specs of tfjs-core's suite that this backend does not pass, by full name, each with the reason. */
export const ignoredSpecs: Readonly<Record<string, string>> = {};

/** Specs that the suite defines only where the backend under test is tfjs's own `cpu`. */
export const otherBackendSpecs = 2; // "Switching cpu backends": two instances of `cpu`

/** Specs that tfjs-core itself leaves out (xit), or only runs in a browser. */
export const pendingSpecs = 5;

/** Specs in tfjs-core 4.22.0's suite on a backend in Node. */
export const publishedSpecs = 4232;
