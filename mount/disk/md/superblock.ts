import type { Probe } from '../probe.js';
import type { MdSuperblock } from './md-superblock.js';
import { readSuperblock090 } from './superblock-090.js';
import { readSuperblock1 } from './superblock-1.js';

/** The superblock of a member, in the places and forms there are. */
export async function readMdSuperblock(probe: Probe): Promise<MdSuperblock | undefined> {
  return (await readSuperblock1(probe)) ?? (await readSuperblock090(probe));
}
