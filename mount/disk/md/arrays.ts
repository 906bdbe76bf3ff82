import { UmbraError } from '../../../src/common/errors.js';
import { type ByteSource, WindowSource } from '../../blocks/byte-source.js';
import type { BlockDevice } from '../block-device.js';
import { NOTHING } from '../nothing.js';
import { causeOf } from '../unreadable-cause.js';
import { arraySource, type Member } from './array-source.js';
import type { MdSuperblock } from './md-superblock.js';

/** As many members an array can have. */
const MAX_MEMBERS = 384;

/** A block device that is a member of an array, or a spare of it. */
export interface MdMemberDevice {
  readonly device: BlockDevice;
  readonly superblock: MdSuperblock;
}

/** The arrays that the members of a machine form. Those that can't be put together are there, too, and say why. */
export function assembleArrays(members: readonly MdMemberDevice[]): BlockDevice[] {
  const arrays = new Map<string, MdMemberDevice[]>();
  for (const member of members) {
    const { uuid } = member.superblock;
    arrays.set(uuid, [...(arrays.get(uuid) ?? []), member]);
  }
  return [...arrays.values()].map(assemble);
}

function assemble(members: readonly MdMemberDevice[]): BlockDevice {
  const events = members.map(({ superblock }) => superblock.events);
  const newest = events.reduce((a, b) => (a > b ? a : b), 0n);
  const [freshest] = members.filter(({ superblock }) => superblock.events === newest);
  if (freshest === undefined) throw new UmbraError('FILESYSTEM_DAMAGED', 'an array has no members');
  const { superblock } = freshest;
  const roles = rolesOf(members, superblock, newest);
  const device = {
    name: arrayDeviceName(superblock),
    origin: { kind: 'md-array', uuid: superblock.uuid, level: levelName(superblock.level) },
  } as const;
  const problems = absentees(roles, members, superblock);
  try {
    return { ...device, source: sourceOf(roles, superblock), problems };
  } catch (error) {
    if (!(error instanceof UmbraError)) throw error;
    const hint = error.hint ?? 'An older shadow copy may have an array that is whole.';
    return { ...device, source: NOTHING, unreadable: { what: error.message, hint, cause: causeOf(error) }, problems };
  }
}

function sourceOf(roles: readonly (Member | undefined)[], superblock: MdSuperblock): ByteSource {
  if (superblock.obstacle !== undefined) {
    throw new UmbraError(
      'FILESYSTEM_UNREADABLE',
      `a Linux software RAID that is not read, because ${superblock.obstacle}`,
      {
        hint: 'Linux shows it: make loop devices over writable copies of all raw volumes and run "mdadm --assemble --scan".',
      },
    );
  }
  return arraySource(roles, superblock);
}

/** By their place in the array, the members whose data are complete and current. */
function rolesOf(
  members: readonly MdMemberDevice[],
  { members: count }: MdSuperblock,
  newest: bigint,
): (Member | undefined)[] {
  const roles = new Array<Member | undefined>(Math.min(count, MAX_MEMBERS)).fill(undefined);
  for (const { device, superblock } of members) {
    const { role, inSync, events, dataStart, dataBytes } = superblock;
    // The kernel, too, takes a member that missed only the last change of the superblock.
    if (role === undefined || role >= roles.length || !inSync || events + 1n < newest) continue;
    roles[role] ??= { source: new WindowSource(device.source, dataStart, Math.max(0, dataBytes)) };
  }
  return roles;
}

function absentees(
  roles: readonly (Member | undefined)[],
  members: readonly MdMemberDevice[],
  superblock: MdSuperblock,
): string[] {
  const absent = roles.filter((member) => member === undefined).length;
  if (absent === 0) return [];
  const names = members.map(({ device }) => device.name).join(', ');
  return [
    `${absent} of the ${superblock.members} members of the array are missing or out of date; found were ${names}`,
  ];
}

/** `md0` for /dev/md0, else `md-` and the name, without that of the machine on which the array was made. */
function arrayDeviceName({ arrayName, uuid }: MdSuperblock): string {
  const name = arrayName.slice(arrayName.indexOf(':') + 1);
  if (/^\d+$/.test(name)) return `md${name}`;
  return `md-${name === '' ? uuid.slice(0, 8) : name}`;
}

function levelName(level: number): string {
  return level === -1 ? 'linear' : level === -4 ? 'multipath' : `raid${level}`;
}
