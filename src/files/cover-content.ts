import type { FileId } from '../../mount/filesystems/filesystem.js';
import type { DeviceVersion } from './timeline.js';

/**
 * Count the places of a file's content among what was looked at, so that a change of it is noticed.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function coverContent({ filesystem, footprint }: DeviceVersion, id: FileId): Promise<void> {
  for await (const extent of filesystem.extents(id)) {
    if (extent.kind === 'stored') for (const location of extent.locations) footprint.add(location);
  }
}
