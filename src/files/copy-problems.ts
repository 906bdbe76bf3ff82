import { systemCode, UmbraError } from '../common/errors.js';
import type { CopyReport } from './copy-report.js';
import { isDamage } from './damage.js';

/** What makes no sense to go on after. */
const FATAL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE', 'ENODEV']);

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'something of this name is there already',
  ENAMETOOLONG: 'its name is too long for the file system that is copied to',
  EACCES: 'permission denied',
  EPERM: 'not permitted; devices need root',
  EFBIG: 'it is too large for the file system that is copied to',
  EINVAL: 'the file system that is copied to does not take it',
  EILSEQ: 'its name has characters that the file system that is copied to does not take',
};

/** Notes what went wrong with one file, so that the others are copied. */
export class CopyProblems {
  readonly #report: CopyReport;
  readonly #signal: AbortSignal;

  constructor(report: CopyReport, signal: AbortSignal) {
    this.#report = report;
    this.#signal = signal;
  }

  /** @throws `error` itself if nothing else can be copied after it; CANCELLED */
  note(path: string, error: unknown): void {
    this.#signal.throwIfAborted();
    const code = systemCode(error);
    if (isDamage(error)) this.#report.add('read', path, error);
    else if (error instanceof UmbraError && error.code === 'TARGET_EXISTS') this.#report.add('write', path, error);
    else if (error instanceof UmbraError || code === undefined || FATAL.has(code)) throw error;
    else this.#report.add('write', path, writeReason(code, error));
  }

  /** As {@link note}, for what everything else lies in: if it can't be written, nothing is. */
  noteTop(path: string, error: unknown): void {
    if (!isDamage(error)) throw error;
    this.note(path, error);
  }

  /** @throws `error` itself if it is not of the guest's files; CANCELLED */
  noteRead(path: string, error: unknown): void {
    this.#signal.throwIfAborted();
    if (!isDamage(error)) throw error;
    this.#report.add('read', path, error);
  }

  /** What a file is there without. */
  noteMetadata(path: string, reason: string): void {
    this.#report.add('metadata', path, reason);
  }

  /** As {@link noteMetadata}, for what may be so for every file of a tree. */
  noteUnset(path: string, reason: string): void {
    this.#report.addAlike('metadata', path, reason);
  }
}

export function inTheWay(what: string): UmbraError {
  return new UmbraError(
    'TARGET_EXISTS',
    `${what} is in its place, and is not replaced; remove it, or give another target`,
  );
}

/** Why something could not be made, without the path in `/proc` by which it was named. */
function writeReason(code: string, error: unknown): string {
  const call = typeof error === 'object' && error !== null && 'syscall' in error ? ` (${String(error.syscall)})` : '';
  return knownReason(code) ?? `${code}${call}`;
}

/** What a system error means where a file is to be made, in words; undefined if there are none for it. */
export function knownReason(code: string | undefined): string | undefined {
  return code === undefined ? undefined : REASONS[code];
}
