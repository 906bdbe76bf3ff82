import { ObjectType } from '../codec/formats.js';
import { isMachineName } from '../common/names.js';
import { isShareName, isSharePath, type Share } from '../common/share-names.js';
import { parseAcknowledgement, type Acknowledgement } from './acknowledgement.js';
import { parseFormerMinimum, type FormerMinimum } from './former-minimums.js';
import { encodeFormatRecord, type FormatRecord } from './format-record.js';
import type { KvReader } from './kv.js';
import type { ProtectedMachine } from '../protocol/agents-api.js';
import { parseProtectedMachine } from './protected-machine.js';
import { objectName } from './keys.js';
import { findSequences, indexedDigests, indexEntries, quarantined } from './object-index.js';
import { readObject, type SealedObjects } from './recover.js';

/** What users set in a store. It is kept among the objects, beside the format record, so that rebuilding keeps it. */
export interface Settings {
  /** Sorted by name. */
  readonly shares: readonly Share[];
  /** Machines that agents protect, sorted by name. */
  readonly machines: readonly ProtectedMachine[];
  /** Machines that are no longer protected, and in which their agents may have left something, sorted by name. */
  readonly leaving?: readonly ProtectedMachine[];
  /** The hosts that protected machines which nobody protects any more and of which something is kept: they stay in their groups. */
  readonly formerHosts?: readonly FormerHost[];
  /**
   * What older settings shared, where the newest ones could not be read: a share that was removed must not come back by
   * itself, so nothing is shared until somebody says what is to be.
   */
  readonly lost?: readonly Share[];
  /** The text of the policies that was applied last; absent as long as the built-in ones hold. */
  readonly policies?: string;
  /** Newer policies could not be read: by the older ones that there are, nothing is deleted until somebody applies some. */
  readonly policiesInDoubt?: true;
  /** Changes of machines' data that were sudden, and are as they should be. */
  readonly acknowledged?: readonly Acknowledgement[];
  /** Minimum ages that were made shorter, for what was stored before. */
  readonly formerMinimums?: readonly FormerMinimum[];
}

export interface FormerHost {
  readonly machine: string;
  readonly host: string;
}

/** As long as the text of policies may be; {@link parseSettings} leaves out what is longer. */
export const MAX_POLICIES_CHARACTERS = 64 * 1024;

/** The settings of a store as they were found. */
export interface FoundSettings {
  /** Undefined if there are none. */
  readonly settings: Settings | undefined;
  /** There were newer ones, or may have been, that can't be read: these are to be written in their place. */
  readonly isDamaged: boolean;
}

export const NO_SETTINGS: Settings = { shares: [], machines: [] };

/** The settings object: the format record's JSON, with the settings in it where there are some. */
export function encodeSettings(format: FormatRecord, settings: Settings): Buffer {
  const record = encodeFormatRecord(format);
  const { shares, machines, ...others } = settings;
  if (shares.length + machines.length + Object.keys(others).length === 0) return Buffer.from(record);
  const fields = JSON.parse(record) as Record<string, unknown>;
  return Buffer.from(`${JSON.stringify({ ...fields, ...settings }, undefined, 2)}\n`);
}

/**
 * The settings: the newest ones, or if those can't be read, that nothing is shared, and what older ones shared. Machines that
 * older ones protect are protected: one that should not be is a smaller harm than one that is not. Their policies hold, but for
 * deleting: newer ones may have kept what these do not.
 */
export async function readSettings(objects: SealedObjects, meta: KvReader): Promise<FoundSettings> {
  const { settings, sequence, isNewest } = await newestReadable(objects, meta);
  if (isNewest && !(await isQuarantinedAfter(meta, sequence))) return { settings, isDamaged: false };
  const { shares, lost = shares, ...others } = settings ?? NO_SETTINGS;
  return { settings: { ...others, shares: [], lost, policiesInDoubt: true }, isDamaged: true };
}

interface Readable {
  readonly settings: Settings | undefined;
  /** -1 if there are none. */
  readonly sequence: number;
  readonly isNewest: boolean;
}

async function newestReadable(objects: SealedObjects, meta: KvReader): Promise<Readable> {
  const digests: Uint8Array[] = [];
  for await (const digest of indexedDigests(meta, ObjectType.settings)) digests.push(Uint8Array.from(digest));
  const sequences = await findSequences(meta, ObjectType.settings, digests);
  const order = digests
    .map((digest, index) => ({ digest, sequence: sequences[index] ?? -1 }))
    .sort((a, b) => b.sequence - a.sequence);
  for (const [index, { digest, sequence }] of order.entries()) {
    const found = await readObject(objects, meta, ObjectType.settings, digest);
    if (found === undefined) continue;
    return { settings: parseSettings(found.plain.toString()), sequence, isNewest: index === 0 };
  }
  return { settings: undefined, sequence: -1, isNewest: order.length === 0 };
}

/** True if settings in quarantine are newer than those of that sequence number, or nobody knows. */
async function isQuarantinedAfter(meta: KvReader, sequence: number): Promise<boolean> {
  const names = new Set(await quarantinedSettings(meta));
  if (names.size === 0) return false;
  for await (const { entry } of indexEntries(meta)) {
    if (entry?.type !== ObjectType.settings) continue;
    if (entry.sequence < sequence) names.delete(objectName(entry.type, entry.digest));
  }
  return names.size > 0;
}

/** The names of the settings in quarantine. */
export async function quarantinedSettings(meta: KvReader): Promise<string[]> {
  const names: string[] = [];
  for await (const { type, digest } of quarantined(meta)) {
    if (type === ObjectType.settings) names.push(objectName(type, digest));
  }
  return names;
}

/** What is not right in it is left out: its digest was right, so a newer version wrote it. */
function parseSettings(text: string): Settings {
  const fields = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const { shares, lost, machines, leaving, formerHosts, policies } = fields;
  const { policiesInDoubt, acknowledged, formerMinimums } = fields;
  return {
    shares: parseShares(shares),
    machines: parseMachines(machines),
    ...(leaving === undefined ? {} : { leaving: parseMachines(leaving) }),
    ...(Array.isArray(formerHosts) ? { formerHosts: formerHosts.flatMap(parseFormerHost) } : {}),
    ...(lost === undefined ? {} : { lost: parseShares(lost) }),
    ...parsePolicies(policies),
    ...(policiesInDoubt === true ? { policiesInDoubt } : {}),
    ...(Array.isArray(acknowledged) ? { acknowledged: acknowledged.flatMap(parseAcknowledgement) } : {}),
    ...(Array.isArray(formerMinimums) ? { formerMinimums: formerMinimums.flatMap(parseFormerMinimum) } : {}),
  };
}

function parseMachines(value: unknown): ProtectedMachine[] {
  return Array.isArray(value) ? value.flatMap(parseProtectedMachine) : [];
}

function parseFormerHost(value: unknown): FormerHost[] {
  const { machine, host } = Object(value) as Readonly<Record<string, unknown>>;
  if (typeof machine !== 'string' || typeof host !== 'string') return [];
  return isMachineName(machine) && host !== '' ? [{ machine, host }] : [];
}

function parsePolicies(value: unknown): Pick<Settings, 'policies' | 'policiesInDoubt'> {
  if (value === undefined) return {};
  const isText = typeof value === 'string' && value.length <= MAX_POLICIES_CHARACTERS;
  return isText ? { policies: value } : { policiesInDoubt: true };
}

function parseShares(value: unknown): Share[] {
  return Array.isArray(value) ? value.flatMap(parseShare) : [];
}

function parseShare(value: unknown): Share[] {
  const { name, machine, path } = Object(value) as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || typeof machine !== 'string' || typeof path !== 'string') return [];
  return isShareName(name) && isMachineName(machine) && isSharePath(path) ? [{ name, machine, path }] : [];
}
