import type { Log } from '../../../src/common/log.js';
import type { FileChanges } from './log-state.js';
import type { ReadLog } from './read-log.js';

/** After a crash, files changed later than this after the last sign of life were changed by somebody else. */
export const ALIVE_SLACK_MS = 2000;

/** What a file is like: equal texts mean that nobody changed it. */
export interface FilePrint {
  readonly print: string;
  /** Milliseconds since 1970. */
  readonly ctimeMs: number;
}

/** Take out of what was read whatever may not be so any more. */
export function trustWhatCanBe({ state, end, alive }: ReadLog, files: ReadonlyMap<string, FilePrint>, log: Log): void {
  for (const { id, key, path } of [...state.files.values()]) {
    const now = files.get(key);
    const isOurs =
      end === 'clean'
        ? now !== undefined && state.prints.get(id) === now.print
        : now !== undefined && now.ctimeMs <= alive.timeMs + ALIVE_SLACK_MS;
    if (isOurs) continue;
    log.warn('filter: a file was changed while nobody looked', { path });
    state.apply({ t: 'removed', file: id });
  }
  if (end === 'power-cut') state.unsettle();
  for (const epochs of state.groups.values()) {
    for (const { changes } of epochs) for (const of of changes.values()) settleChanges(of, end);
  }
}

function settleChanges(changes: FileChanges, end: ReadLog['end']): void {
  if (end !== 'clean') changes.blocks.addAll(changes.marks);
  changes.durable.addAll(changes.marks);
  changes.everythingDurable = changes.everything;
}
