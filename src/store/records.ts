import { DIGEST_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import { isMachineName, isShadowCopyName, isVolumeName } from '../common/names.js';
import type { Consistency, ImageFormat, ShadowCopyInfo } from '../protocol/api.js';
import { toHex } from '../codec/digest.js';
import { unpackRecord } from './checked.js';

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
/** ECMAScript, section 21.4.1.1. */
const MAX_TIME_MS = 8.64e15;
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

/** Reads the fields of a decoded record, each with its type checked. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #what: string;

  constructor(record: Readonly<Record<string, unknown>>, what: string) {
    this.#record = record;
    this.#what = what;
  }

  text(name: string): string {
    const value = this.#record[name];
    if (typeof value !== 'string') throw this.wrong(name);
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.#record[name] === undefined ? undefined : this.text(name);
  }

  optionalTexts(name: string): readonly string[] | undefined {
    const value = this.#record[name];
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.wrong(name);
    return value.map((text: unknown) => {
      if (typeof text !== 'string') throw this.wrong(name);
      return text;
    });
  }

  number(name: string): number {
    const value = this.#record[name];
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw this.wrong(name);
    return value;
  }

  optionalNumber(name: string): number | undefined {
    return this.#record[name] === undefined ? undefined : this.number(name);
  }

  /** Absent is false. */
  flag(name: string): boolean {
    const value = this.#record[name];
    if (value !== undefined && typeof value !== 'boolean') throw this.wrong(name);
    return value === true;
  }

  /** A whole number that is exact. */
  whole(name: string): number {
    const value = this.number(name);
    if (!Number.isSafeInteger(value)) throw this.wrong(name);
    return value;
  }

  /** Milliseconds since 1970, within what a Date can show. */
  time(name: string): number {
    const value = this.number(name);
    if (value > MAX_TIME_MS) throw this.wrong(name);
    return value;
  }

  /** A text that `isName` accepts. */
  name(name: string, isName: (text: string) => boolean): string {
    const value = this.text(name);
    if (!isName(value)) throw this.wrong(name);
    return value;
  }

  bytes(name: string): Uint8Array {
    const value = this.#record[name];
    if (!(value instanceof Uint8Array)) throw this.wrong(name);
    return value;
  }

  digest(name: string): Uint8Array {
    const value = this.bytes(name);
    if (value.length !== DIGEST_BYTES) throw this.wrong(name);
    return value;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = allowed.find((candidate) => candidate === this.#record[name]);
    if (value === undefined) throw this.wrong(name);
    return value;
  }

  record(name: string): Fields {
    return this.#nested(this.#record[name], name);
  }

  records(name: string): Fields[] {
    const value = this.#record[name];
    if (!Array.isArray(value)) throw this.wrong(name);
    return value.map((element: unknown) => this.#nested(element, name));
  }

  wrong(name: string): UmbraError {
    return new UmbraError('STORE_DAMAGED', `the field "${name}" of ${this.#what} is not right`, {
      hint: 'Run "umbra verify", and "umbra rebuild" if it says so.',
    });
  }

  #nested(value: unknown, name: string): Fields {
    if (typeof value !== 'object' || value === null) throw this.wrong(name);
    return new Fields(value as Readonly<Record<string, unknown>>, this.#what);
  }
}
