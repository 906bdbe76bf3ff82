import { UmbraError } from '../../../src/common/errors.js';
import type { JournalState } from '../filesystem.js';
import { AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import { applyFixups } from './fixups.js';
import { Inode } from './inode.js';
import { SystemFile } from './mft.js';
import { isPowerOfTwo, readSize } from './parse.js';
import { readPart, type Stream, streamOf } from './stream.js';

const DEFAULT_PAGE_BYTES = 4096;
const MAX_PAGE_BYTES = 65_536;
const AREA_BYTES = 16;
const NO_CLIENT = 0xffff;
const CLEAN = 0x0002;

/** What a restart page says of the log. */
interface RestartPage {
  readonly lsn: number;
  readonly clean: boolean;
}

/**
 * Whether `$LogFile` has changes that the volume does not have. Its two restart pages say so: the later one counts. The
 * log is not replayed.
 */
export async function journalState(core: NtfsCore): Promise<JournalState> {
  try {
    const inode = await Inode.loadRecord(core, SystemFile.LOG_FILE);
    const stream = streamOf(core, await inode.parts(AttributeType.DATA, ''));
    return await stateOf(core, stream);
  } catch (error) {
    if (!(error instanceof UmbraError)) throw error;
    return { state: 'ignored', reason: `$LogFile can't be read: ${error.message}` };
  }
}

async function stateOf(core: NtfsCore, stream: Stream): Promise<JournalState> {
  const start = await readPart(core, stream, 0, DEFAULT_PAGE_BYTES);
  if (start.every((byte) => byte === 0xff)) return { state: 'clean' };
  const pageBytes = isRestartPage(start) ? start.readUInt32LE(16) : DEFAULT_PAGE_BYTES;
  const pages: RestartPage[] = [];
  for (const offset of [0, pageBytes]) {
    const page = await readRestartPage(core, stream, offset, pageBytes);
    if (page !== undefined) pages.push(page);
  }
  const latest = pages.sort((a, b) => b.lsn - a.lsn)[0];
  if (latest === undefined) return { state: 'ignored', reason: 'the log has no start that makes sense' };
  if (latest.clean) return { state: 'clean' };
  return { state: 'ignored', reason: 'the log was not applied' };
}

function isRestartPage(page: Buffer): boolean {
  // CHKD: the same, after a check.
  return ['RSTR', 'CHKD'].includes(page.toString('latin1', 0, 4));
}

async function readRestartPage(
  core: NtfsCore,
  stream: Stream,
  offset: number,
  pageBytes: number,
): Promise<RestartPage | undefined> {
  if (!isPowerOfTwo(pageBytes) || pageBytes < DEFAULT_PAGE_BYTES / 8 || pageBytes > MAX_PAGE_BYTES) return undefined;
  if (offset + pageBytes > stream.initializedBytes) return undefined;
  const page = Buffer.from(await readPart(core, stream, offset, pageBytes));
  if (!isRestartPage(page) || !applyFixups(page)) return undefined;
  const area = page.readUInt16LE(24);
  if (area + AREA_BYTES > page.length) return undefined;
  const clean = page.readUInt16LE(area + 12) === NO_CLIENT || (page.readUInt16LE(area + 14) & CLEAN) !== 0;
  return { lsn: readSize(page, area), clean };
}
