import type { FileId, FileType } from '../../mount/filesystems/filesystem.js';
import type { FoundFile } from '../protocol/files-api.js';
import type { Batches } from './batches.js';
import { statInfoOf } from './stat-info.js';
import type { TimelineStep } from './timeline.js';

/** Gives out the files of a device in one shadow copy as they are met; nothing of them is kept. */
export class OneVersion {
  readonly #found: Batches<FoundFile>;
  readonly #step: Extract<TimelineStep, { state: 'opened' }>;

  constructor(found: Batches<FoundFile>, step: Extract<TimelineStep, { state: 'opened' }>) {
    this.#found = found;
    this.#step = step;
  }

  /**
   * A file is there.
   * @param type what is of another type does not count
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
   */
  async see(path: string, id: FileId, type: FileType | undefined): Promise<void> {
    const { current, listing } = this.#step;
    const stat = await current.filesystem.stat(id);
    if (type !== undefined && stat.type !== type) return;
    const info = await statInfoOf(current.filesystem, id, stat);
    await this.#found.add({ path, stat: info, first: listing.name, last: listing.name, shadowCopies: 1 });
  }
}
