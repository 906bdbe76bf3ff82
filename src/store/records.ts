import { isMachineName, isShadowCopyName, isVolumeName } from '../common/names.js';
import type { Consistency, ImageFormat, ShadowCopyInfo } from '../protocol/api.js';
import { toHex } from '../codec/digest.js';
import { unpackRecord } from './checked.js';
import { Fields } from './fields.js';
import { changeOf, type ShadowCopyChange, type SuddenVolumeChange } from './shadow-copy-change.js';

/** One volume of a shadow copy. */
export interface VolumeRecord {
  readonly name: string;
  readonly sizeBytes: number;
  /** Bytes not in holes, in whole blocks. */
  readonly dataBytes: number;
  /** Digest of the volume tree's root node; zeros when the volume is empty. */
  readonly root: Uint8Array;
  readonly source: VolumeOrigin;
}

/** Where a volume's content came from. */
export interface VolumeOrigin {
  readonly path: string;
  readonly format: ImageFormat;
  /** Names the image's content without reading it, see DiskImage; absent when that was not possible. */
  readonly fingerprint?: string;
}

export interface ConfigFile {
  readonly name: string;
  readonly data: Uint8Array;
}

/** A point in time of one machine, as it is stored: an object of its own. */
export interface ShadowCopyRecord {
  readonly machine: string;
  readonly name: string;
  readonly timeMs: number;
  readonly consistency: Consistency;
  readonly tracker: string;
  readonly pauseMs: number;
  readonly volumes: readonly VolumeRecord[];
  readonly config: readonly ConfigFile[];
  /** The host whose agent sent it; absent for what was read on the server itself. */
  readonly host?: string;
  /** The tracker's name for the checkpoint, from which the next changes are counted. */
  readonly checkpoint?: string;
  /** For people: what was not as wanted, and why. */
  readonly notes?: readonly string[];
  /** When it came into the store, by its trusted time; absent in records of before there was one. */
  readonly storedAtMs?: number;
  /** How old it must be by that before anybody may delete it, as its policy had it then; absent for no time. */
  readonly minimumAgeMs?: number;
  /** It is the machine's replica, until the next replication or shadow copy, and not listed. */
  readonly isReplica?: true;
  /** Absent where there was nothing to compare with, and in records of before this was looked at. */
  readonly change?: ShadowCopyChange;
}

/** Says that the record with this digest was deleted. */
export interface TombstoneRecord {
  readonly record: Uint8Array;
  readonly machine: string;
  readonly name: string;
  readonly timeMs: number;
}

/** All of them, the best first. */
export const CONSISTENCIES: readonly Consistency[] = ['offline', 'application', 'filesystem', 'crash', 'none'];
const FORMATS: readonly ImageFormat[] = ['raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc'];

/** @throws {UmbraError} STORE_DAMAGED */
export function parseShadowCopyRecord(bytes: Uint8Array): ShadowCopyRecord {
  const fields = new Fields(unpackRecord(bytes, "a shadow copy's record"), "a shadow copy's record");
  const host = fields.optionalText('host');
  const checkpoint = fields.optionalText('checkpoint');
  const notes = fields.optionalTexts('notes');
  return {
    machine: fields.name('machine', isMachineName),
    name: fields.name('name', isShadowCopyName),
    timeMs: fields.time('timeMs'),
    consistency: fields.oneOf('consistency', CONSISTENCIES),
    tracker: fields.text('tracker'),
    pauseMs: fields.number('pauseMs'),
    volumes: fields.records('volumes').map(parseVolume),
    config: fields.records('config').map((file) => ({ name: file.text('name'), data: file.bytes('data') })),
    ...(host === undefined ? {} : { host }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(notes === undefined ? {} : { notes }),
    ...protectionOf(fields),
    ...(fields.flag('isReplica') ? { isReplica: true } : {}),
    ...changeOf(fields),
  };
}

/** When a shadow copy came into the store, and how old it must become. @throws {UmbraError} STORE_DAMAGED */
export function protectionOf(fields: Fields): Pick<ShadowCopyRecord, 'storedAtMs' | 'minimumAgeMs'> {
  const storedAtMs = fields.optionalNumber('storedAtMs');
  const minimumAgeMs = fields.optionalNumber('minimumAgeMs');
  return {
    ...(storedAtMs === undefined ? {} : { storedAtMs }),
    ...(minimumAgeMs === undefined ? {} : { minimumAgeMs }),
  };
}

/** @throws {UmbraError} STORE_DAMAGED */
export function parseTombstone(bytes: Uint8Array): TombstoneRecord {
  const fields = new Fields(unpackRecord(bytes, 'a tombstone'), 'a tombstone');
  return {
    record: fields.digest('record'),
    machine: fields.text('machine'),
    name: fields.text('name'),
    timeMs: fields.time('timeMs'),
  };
}

/** What `--json` shows of a shadow copy. */
export function shadowCopyInfo(record: {
  readonly machine: string;
  readonly name: string;
  readonly timeMs: number;
  readonly consistency: Consistency;
  readonly tracker: string;
  readonly pauseMs: number;
  readonly host?: string;
  readonly volumes: readonly Omit<VolumeRecord, 'source'>[];
  readonly sudden?: SuddenVolumeChange;
  readonly isHeld?: boolean;
}): ShadowCopyInfo {
  return {
    machine: record.machine,
    shadowCopy: record.name,
    time: new Date(record.timeMs).toISOString(),
    consistency: record.consistency,
    tracker: record.tracker,
    pauseMs: record.pauseMs,
    ...(record.host === undefined ? {} : { host: record.host }),
    volumes: record.volumes.map(({ name, sizeBytes, root }) => ({ name, sizeBytes, root: toHex(root) })),
    ...(record.sudden && { sudden: record.sudden }),
    ...(record.isHeld === true && { isHeld: true }),
  };
}

function parseVolume(fields: Fields): VolumeRecord {
  const source = fields.record('source');
  const fingerprint = source.optionalText('fingerprint');
  return {
    name: fields.name('name', isVolumeName),
    sizeBytes: fields.whole('sizeBytes'),
    dataBytes: fields.whole('dataBytes'),
    root: fields.digest('root'),
    source: {
      path: source.text('path'),
      format: source.oneOf('format', FORMATS),
      ...(fingerprint === undefined ? {} : { fingerprint }),
    },
  };
}
