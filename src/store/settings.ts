import { ObjectType } from '../codec/formats.js';
import { isMachineName } from '../common/names.js';
import { isShareName, isSharePath, type Share } from '../common/share-names.js';
import { encodeFormatRecord, type FormatRecord } from './format-record.js';
import type { KvReader } from './kv.js';
import { findSequences, indexedDigests } from './object-index.js';
import { readObject } from './recover.js';

/** What users set in a store. It is kept among the objects, beside the format record, so that rebuilding keeps it. */
export interface Settings {
  /** Sorted by name. */
  readonly shares: readonly Share[];
}

export const NO_SETTINGS: Settings = { shares: [] };

/** The settings object: the format record's JSON, with the settings in it where there are some. */
export function encodeSettings(format: FormatRecord, { shares }: Settings): Buffer {
  const record = encodeFormatRecord(format);
  if (shares.length === 0) return Buffer.from(record);
  const fields = JSON.parse(record) as Record<string, unknown>;
  return Buffer.from(`${JSON.stringify({ ...fields, shares }, undefined, 2)}\n`);
}

/** The newest settings that can be read; undefined if there are none. */
export async function readSettings(objects: KvReader, meta: KvReader): Promise<Settings | undefined> {
  const digests: Uint8Array[] = [];
  for await (const digest of indexedDigests(meta, ObjectType.settings)) digests.push(Uint8Array.from(digest));
  const sequences = await findSequences(meta, ObjectType.settings, digests);
  const order = digests
    .map((digest, index) => ({ digest, sequence: sequences[index] ?? -1 }))
    .sort((a, b) => b.sequence - a.sequence);
  for (const { digest } of order) {
    const found = await readObject(objects, meta, ObjectType.settings, digest);
    if (found !== undefined) return parseSettings(found.plain.toString());
  }
  return undefined;
}

/** What is not right in it is left out: its digest was right, so a newer version wrote it. */
function parseSettings(text: string): Settings {
  const { shares } = JSON.parse(text) as { readonly shares?: unknown };
  return { shares: Array.isArray(shares) ? shares.flatMap(parseShare) : [] };
}

function parseShare(value: unknown): Share[] {
  const { name, machine, path } = Object(value) as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || typeof machine !== 'string' || typeof path !== 'string') return [];
  return isShareName(name) && isMachineName(machine) && isSharePath(path) ? [{ name, machine, path }] : [];
}
