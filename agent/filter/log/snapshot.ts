import { BlockSet, type Run } from './block-set.js';
import type { Epoch, FileChanges, LogState } from './log-state.js';
import { pieces, type LogRecord } from './records.js';

/** A file with more runs than this counts as written everywhere. */
const MAX_RUNS = 65_536;

/** The records of a log that says what `state` says and no more. */
export function* snapshotRecords(state: LogState): Generator<LogRecord> {
  for (const [group, epochs] of state.groups) {
    for (const [index, epoch] of epochs.entries()) {
      const files = [...epoch.changes.keys()].flatMap((id) => {
        const file = state.files.get(id);
        return file === undefined ? [] : [{ ...file, name: epoch.names.get(id) ?? file.name }];
      });
      yield { t: 'checkpoint', group, id: epoch.id, timeMs: epoch.timeMs, files };
      if (epoch.settled) yield { t: 'settled', group, id: epoch.id };
      for (const [file, changes] of epoch.changes) yield* marksOf({ group, epoch: index, file }, changes);
    }
  }
}

interface Place {
  readonly group: string;
  readonly epoch: number;
  readonly file: number;
}

function* marksOf(place: Place, changes: FileChanges): Generator<LogRecord> {
  const runs = boundedRuns(changes.marks);
  if (changes.everything || runs === undefined) yield { t: 'everything-of', ...place };
  else for (const piece of pieces(runs)) yield { t: 'marked', ...place, runs: piece };
}

/** What a clean end adds: which blocks of the marked regions were written. */
export function* blockRecords(groups: ReadonlyMap<string, readonly Epoch[]>): Generator<LogRecord> {
  for (const [group, epochs] of groups) {
    for (const [epoch, { changes }] of epochs.entries()) {
      for (const [file, { blocks, marks }] of changes) {
        const runs = boundedRuns(blocks) ?? boundedRuns(inBlocks(marks, blocks.blockBytes)) ?? [];
        for (const piece of pieces(runs)) yield { t: 'blocks', group, epoch, file, runs: piece };
      }
    }
  }
}

function inBlocks(set: BlockSet, blockBytes: number): BlockSet {
  const blocks = new BlockSet(blockBytes);
  blocks.addAll(set);
  return blocks;
}

/** Undefined when there are too many to write down. */
function boundedRuns(set: BlockSet): readonly Run[] | undefined {
  if (set.isFull) return undefined;
  const runs: Run[] = [];
  for (const run of set.runs()) if (runs.push(run) > MAX_RUNS) return undefined;
  return runs;
}
