import { systemClock } from '../../src/common/clock.js';
import { silentLog } from '../../src/common/log.js';
import { FilesService } from '../../mount/files/files-service.js';
import type { FindDevices, GuestContent } from '../../mount/files/guest-device.js';
import type { Filesystem } from '../../mount/filesystems/filesystem.js';
import type { TreeScope } from '../../mount/listing.js';
import { VirtualTree } from '../../mount/tree.js';
import type { FakeSource } from './fake-source.js';

/** The owner of everything in {@link treeOf}'s trees. */
export const OWNER = { uid: 1234, gid: 5678 };
/** When those trees were made. */
export const MADE_AT_MS = Date.UTC(2026, 0, 1);

/** Finds nothing. */
const noDevices: FindDevices = () => Promise.resolve([]);

/** Finds these file systems, by the names of their devices, in every shadow copy. */
export function fixedDevices(filesystems: Readonly<Record<string, Filesystem | string>>): FindDevices {
  const devices = Object.entries(filesystems).map(([name, content]) => ({
    name,
    sizeBytes: 1_000_000,
    open: (): Promise<GuestContent> =>
      Promise.resolve(
        typeof content === 'string' ? { unreadable: { text: content, cause: 'not-read' } } : { filesystem: content },
      ),
  }));
  return () => Promise.resolve(devices);
}

/** The files of shadow copies of a fake source; none, without a way to find them. */
export function filesOf(source: FakeSource, find: FindDevices = noDevices): FilesService {
  return new FilesService({ source, find, clock: systemClock, log: silentLog });
}

/** A virtual tree over a fake source. */
export function treeOf(source: FakeSource, scope?: TreeScope, files = filesOf(source)): VirtualTree {
  return new VirtualTree({ source, files, ...OWNER, nowMs: MADE_AT_MS, ...(scope && { scope }) });
}

/** A whole file of a tree, read in pieces. */
export async function readAll(tree: VirtualTree, path: string, pieceBytes = 65_536): Promise<Buffer> {
  const file = await tree.open(path);
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ;) {
    const piece = new Uint8Array(pieceBytes);
    const length = await file.read(piece, offset);
    pieces.push(piece.subarray(0, length));
    offset += length;
    if (length < pieceBytes) break;
  }
  await file.close();
  return Buffer.concat(pieces);
}

/** The names in a directory of a tree. */
export async function namesIn(tree: VirtualTree, path: string): Promise<string[]> {
  return (await tree.list(path)).map(({ name }) => name);
}
