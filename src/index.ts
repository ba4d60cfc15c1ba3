export { type ErrorCode, FastWeightError } from './native/errors';
