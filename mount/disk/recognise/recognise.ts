import { BlockCache } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { BlockDevice, Unreadable } from '../block-device.js';
import { uuidAt } from '../guid.js';
import { hasContent } from '../content.js';
import { Probe } from '../probe.js';
import { ARRAYS } from './arrays.js';
import { ENCRYPTED } from './encrypted.js';
import { FOREIGN } from './foreign.js';
import type { Field, Kind, Recognised } from './kind.js';
import { OTHERS } from './others.js';
import { describePartitionType } from './partition-types.js';

/** More than all that is looked at of one device, about 3 MiB: nothing is read twice. */
const CACHE_BYTES = 4 * 1024 * 1024;
const ZEROS = Buffer.alloc(65_536);
/** In this order: what wraps something else comes before what it may wrap. */
const KINDS: readonly Kind[] = [...ENCRYPTED, ...FOREIGN, ...ARRAYS, ...OTHERS];

const UNKNOWN: Recognised = {
  type: 'unknown',
  what: 'something unknown: no file system that Umbra knows begins in it',
  hint:
    'If you know what made it, give its bytes to that. If files should be here, the beginning of the file system may be ' +
    'damaged, or it was not yet made: look at an older and at a newer shadow copy.',
};

const EMPTY: Recognised = {
  type: 'empty',
  what: 'empty: there are only zeros where a file system would begin and end',
  hint: 'There is nothing to show: no file system was made in it yet, or it was wiped. An older shadow copy may have more.',
  cause: 'no-files',
};

/**
 * What something is that no driver of a file system opened; reads little of it.
 * @returns undefined if it begins like a file system that there is a driver for
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function recognise(source: ByteSource): Promise<Recognised | undefined> {
  const probe = new Probe(source, new BlockCache(CACHE_BYTES));
  for (const kind of KINDS) {
    const found = await find(probe, kind);
    if (found !== undefined) return found;
  }
  if (await hasContent(probe, 0)) return undefined;
  return (await isEmpty(probe)) ? EMPTY : UNKNOWN;
}

/**
 * Why the files of a block device are not shown, when no driver opened it: what was found out when it was discovered,
 * what its content is, or what its partition's type says.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function describe(device: BlockDevice): Promise<Unreadable> {
  if (device.unreadable !== undefined) return device.unreadable;
  const found = await recognise(device.source);
  if (found !== undefined && !saysNothing(found)) return found;
  const byType = device.origin.kind === 'partition' ? describePartitionType(device.origin.type) : undefined;
  return byType ?? found ?? UNKNOWN;
}

/** True of a description that says only that nothing is known. */
export function saysNothing(found: Unreadable): boolean {
  return found === UNKNOWN || found === EMPTY;
}

async function find(probe: Probe, kind: Kind): Promise<Recognised | undefined> {
  for (const [offset, magic] of kind.magics) {
    const at = offset < 0 ? probe.sizeBytes + offset : offset;
    if (!(await probe.has(at, magic)) || (kind.check !== undefined && !(await kind.check(probe)))) continue;
    const { type, what, hint, commands, cause } = kind;
    const from = kind.fieldsFromMagic === true ? at : 0;
    const label = kind.label && (await readField(probe, kind.label, from));
    const uuid = kind.uuid && (await readField(probe, { form: 'uuid', ...kind.uuid }, from));
    return {
      type,
      what: label === undefined ? what : `${what} with the label "${label}"`,
      hint,
      ...(commands && { commands }),
      ...(cause && { cause }),
      ...(label !== undefined && { label }),
      ...(uuid !== undefined && { uuid }),
    };
  }
  return undefined;
}

/** Undefined if it is empty or not there. */
async function readField(probe: Probe, field: Field, from: number): Promise<string | undefined> {
  const { at, length = 16, form = 'utf8' } = field;
  const bytes = await probe.at(from + at, length);
  if (bytes === undefined || bytes.every((byte) => byte === 0)) return undefined;
  if (form === 'uuid') return uuidAt(bytes, 0);
  const text = bytes.toString(form);
  const end = text.indexOf('\0');
  const label = printable(end < 0 ? text : text.slice(0, end));
  return label === '' ? undefined : label;
}

/** Without what would break a line or a terminal. */
function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}]/gu, '?')
    .trimEnd();
}

/** Its first and last MiB are looked at, not all of it. */
async function isEmpty(probe: Probe): Promise<boolean> {
  const length = Math.min(probe.sizeBytes, 1024 * 1024);
  for (const offset of [0, probe.sizeBytes - length]) {
    for (let at = offset; at < offset + length; at += ZEROS.length) {
      const piece = await probe.at(at, Math.min(ZEROS.length, offset + length - at));
      if (piece?.equals(ZEROS.subarray(0, piece.length)) === false) return false;
    }
  }
  return true;
}
