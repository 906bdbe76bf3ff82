import { UmbraError } from '../../../src/common/errors.js';
import { AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import { Inode } from './inode.js';
import { SystemFile } from './mft.js';
import { utf16 } from './parse.js';

const DIRTY = 0x0001;
const INFORMATION_BYTES = 12;

/** What `$Volume` says. */
export interface VolumeInformation {
  readonly label: string;
  /** Windows wants to check the volume. */
  readonly dirty: boolean;
  readonly problems: readonly string[];
}

/** A volume whose `$Volume` can't be read has no label; the rest does not need it. */
export async function readVolumeInformation(core: NtfsCore): Promise<VolumeInformation> {
  try {
    const inode = await Inode.loadRecord(core, SystemFile.VOLUME);
    const name = (await inode.first(AttributeType.VOLUME_NAME))?.value;
    const information = (await inode.first(AttributeType.VOLUME_INFORMATION))?.value;
    const flags =
      information === undefined || information.length < INFORMATION_BYTES ? 0 : information.readUInt16LE(10);
    return { label: name === undefined ? '' : utf16(name), dirty: (flags & DIRTY) !== 0, problems: [] };
  } catch (error) {
    if (!(error instanceof UmbraError)) throw error;
    return { label: '', dirty: false, problems: [`$Volume can't be read: ${error.message}`] };
  }
}
