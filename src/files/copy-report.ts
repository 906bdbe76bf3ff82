import { messageOf, UmbraError } from '../common/errors.js';
import { printable } from '../common/printable.js';
import type { CopyProblem } from '../protocol/files-api.js';

/** So many problems are told one by one. */
const MAX_PROBLEMS = 1_000;

/** What was copied, and what could not be. */
export class CopyReport {
  readonly counts = { files: 0, directories: 0, symlinks: 0, hardLinks: 0, specialFiles: 0 };
  readonly problems: CopyProblem[] = [];
  readonly problemCounts = { read: 0, write: 0, metadata: 0 };
  /** Bytes of data that were written. */
  writtenBytes = 0;
  /** Where in `problems` the first one of a reason stands. */
  readonly #alike = new Map<string, number>();

  /** @param error what was thrown, or the reason in words */
  add(kind: CopyProblem['kind'], path: string, error: unknown): void {
    this.problemCounts[kind]++;
    if (this.problems.length >= MAX_PROBLEMS) return;
    this.problems.push({ path, kind, reason: printable(reasonOf(error)) });
  }

  /** As {@link add}; several of the same reason are told as one. */
  addAlike(kind: CopyProblem['kind'], path: string, reason: string): void {
    const index = this.#alike.get(reason);
    const first = index === undefined ? undefined : this.problems[index];
    if (index === undefined || first === undefined) {
      if (this.problems.length < MAX_PROBLEMS) this.#alike.set(reason, this.problems.length);
      this.add(kind, path, reason);
    } else {
      this.problemCounts[kind]++;
      this.problems[index] = { ...first, count: (first.count ?? 1) + 1 };
    }
  }

  get doneFiles(): number {
    const { files, symlinks, hardLinks, specialFiles } = this.counts;
    return files + symlinks + hardLinks + specialFiles;
  }
}

function reasonOf(error: unknown): string {
  if (typeof error === 'string') return error;
  return error instanceof UmbraError && error.hint !== undefined && error.code === 'FILESYSTEM_UNREADABLE'
    ? `${error.message}. ${error.hint}`
    : messageOf(error);
}
