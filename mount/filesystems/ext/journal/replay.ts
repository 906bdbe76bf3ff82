import { isUmbraError, messageOf } from '../../../../src/common/errors.js';
import type { JournalState } from '../../filesystem.js';
import { COMPAT, INCOMPAT } from '../features.js';
import type { Volume } from '../volume.js';
import { type JournalSuperblock, parseJournalSuperblock } from './format.js';
import { openLog } from './journal-inode.js';
import type { JournalLog } from './log.js';
import { JournalOverlay } from './overlay.js';
import { scanLog } from './scan.js';
import { selectBlocks } from './select.js';

/** What became of the journal. */
export interface ReplayedJournal {
  readonly state: JournalState;
  /** The volume with the journal over it; undefined if the journal changes nothing. */
  readonly overlay: JournalOverlay | undefined;
  /** Where fast commits may stand, and the sequence that they carry; undefined if there is nothing to look for. */
  readonly fast: FastCommitArea | undefined;
  readonly problems: readonly string[];
}

export interface FastCommitArea {
  readonly log: JournalLog;
  readonly journal: JournalSuperblock;
  readonly sequence: number;
}

const NOTHING = { overlay: undefined, fast: undefined, problems: [] } as const;

/** Replay the journal of a volume that is open without it. Nothing that is wrong with a journal is an error. */
export async function replayJournal(volume: Volume): Promise<ReplayedJournal> {
  const { compat, incompat, journalInode } = volume.superblock;
  if ((compat & COMPAT.HAS_JOURNAL) === 0) return { ...NOTHING, state: { state: 'none' } };
  if ((incompat & INCOMPAT.RECOVER) === 0) return { ...NOTHING, state: { state: 'clean' } };
  if (journalInode === 0) return ignored('it stands on another device');
  try {
    return await replay(volume);
  } catch (error) {
    if (!isUmbraError(error, 'FILESYSTEM_DAMAGED')) throw error;
    return ignored(messageOf(error));
  }
}

function ignored(reason: string): ReplayedJournal {
  return { ...NOTHING, state: { state: 'ignored', reason } };
}

async function replay(volume: Volume): Promise<ReplayedJournal> {
  const { blockBytes, blocksCount } = volume.superblock;
  const log = await openLog(volume);
  const journal = parseJournalSuperblock(await log.read(0), log.blocks);
  if (journal.start === 0) return { ...NOTHING, state: { state: 'clean' } };
  const blocksThere = Math.min(blocksCount, Math.floor(volume.source.sizeBytes / blockBytes));
  const scanned = await scanLog(log, journal, blocksThere);
  const replacements = await selectBlocks(scanned, log, journal);
  const problems = scanned.problem === undefined ? [] : [scanned.problem];
  if (replacements.damaged > 0) {
    problems.push(`${replacements.damaged} blocks of the journal have wrong checksums and were left out`);
  }
  return {
    state: { state: 'replayed' },
    overlay: new JournalOverlay(volume.source, blockBytes, replacements),
    fast: scanned.problem === undefined ? { log, journal, sequence: scanned.end } : undefined,
    problems,
  };
}

/** How many blocks of the file system the journal takes, for statfs(2); 0 if that cannot be said. */
export async function journalBlocksOf(volume: Volume): Promise<number> {
  const { compat, journalInode } = volume.superblock;
  if ((compat & COMPAT.HAS_JOURNAL) === 0 || journalInode === 0) return 0;
  try {
    const log = await openLog(volume);
    return parseJournalSuperblock(await log.read(0), log.blocks).maxBlocks;
  } catch (error) {
    if (isUmbraError(error, 'FILESYSTEM_DAMAGED')) return 0;
    throw error;
  }
}
