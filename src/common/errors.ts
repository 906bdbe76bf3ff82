import { ERROR_CODES, type ErrorCode } from './error-codes.js';

export interface UmbraErrorOptions {
  /** What to do next, in one sentence, shown below the message. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of the product. `code` is stable and documented (README.md, "Errors");
 * `message` names the thing that is wrong; `hint` says what to do.
 */
export class UmbraError extends Error {
  override readonly name = 'UmbraError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: UmbraErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/** True if `error` is an UmbraError, optionally with one of `codes`. */
export function isUmbraError(error: unknown, ...codes: readonly ErrorCode[]): error is UmbraError {
  return error instanceof UmbraError && (codes.length === 0 || codes.includes(error.code));
}

/** The `code` property of a Node.js or library error (`ENOSPC`, `LEVEL_NOT_FOUND`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True if `code` is one of ours; for errors that crossed a socket. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERROR_CODES, code);
}
