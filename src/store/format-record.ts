import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import { FORMAT_VERSION, PRODUCT } from '../codec/formats.js';
import { CIPHERS, type CipherName } from '../codec/aead.js';
import type { CompressionSettings } from '../codec/compression.js';
import type { CuttingSettings } from '../codec/cutting.js';
import { isUmbraError, messageOf, systemCode, UmbraError } from '../common/errors.js';
import type { Argon2idCost } from '../keys/argon2id.js';
import type { Secret } from '../keys/secret.js';
import { writeDurably } from '../system/durable-file.js';
import { makeDirectories } from '../system/make-directory.js';

/** What a store says of itself: the file `format`, and a copy among the objects. */
export interface FormatRecord {
  readonly id: string;
  readonly createdMs: number;
  readonly cutting: CuttingSettings;
  readonly compression: CompressionSettings;
  /** Of an encrypted store. The seed for cutting is with its keys then, and 0 here until they are known. */
  readonly encryption?: { readonly cipher: CipherName };
}

/** Versions of the format that stores can be made with. */
export type FormatVersion = 1 | 2;

/** How a new store is encrypted. */
export interface EncryptionOptions {
  readonly cipher: CipherName;
  /** What opens it. */
  readonly secret: Secret;
  /** How much work guessing a passphrase is. */
  readonly cost?: Argon2idCost;
}

/** What may be chosen when a store is made. */
export interface CreateOptions {
  readonly compression?: CompressionSettings;
  /** 16 hex digits: the cutting seed of a store that this one is to be synchronised with. */
  readonly seed?: string;
  /** The version of its format, which says how it is cut, too; the newest without it. */
  readonly format?: FormatVersion;
  readonly encryption?: EncryptionOptions;
}

const FILE = 'format';
const SEED = /^[0-9a-f]{16}$/;
const NO_SEED = '0'.repeat(16);
/** How the names of objects are made of their digests. */
const KEYED_NAMES = 'hmac-sha-256';
/** How stores are cut, by the version of their format. */
const CUTTING: Readonly<Record<FormatVersion, Omit<CuttingSettings, 'seed'>>> = {
  1: { zeroBits: 4, window: 0, maxBlocks: 64 },
  2: { zeroBits: 0, window: 7, maxBlocks: 64 },
};
const DEFAULT_COMPRESSION: CompressionSettings = { codec: 'zstd', level: 1 };

/** @throws {UmbraError} BAD_ARGUMENT for a seed that is none */
export function newFormatRecord(options: CreateOptions, nowMs: number): FormatRecord {
  if (options.seed !== undefined && !SEED.test(options.seed)) {
    throw new UmbraError('BAD_ARGUMENT', `"${options.seed}" is not a cutting seed`, {
      hint: 'Give the 16 hex digits that the format file of the other store has.',
    });
  }
  const seed = options.seed === undefined ? randomBytes(8).readBigUInt64BE() : BigInt(`0x${options.seed}`);
  return {
    id: randomUUID(),
    createdMs: nowMs,
    cutting: { seed, ...CUTTING[options.format ?? FORMAT_VERSION] },
    compression: options.compression ?? DEFAULT_COMPRESSION,
    ...(options.encryption === undefined ? {} : { encryption: { cipher: options.encryption.cipher } }),
  };
}

/** The version of a store's format: only one without a window is read by an older Umbra. */
export function formatVersionOf({ cutting }: FormatRecord): FormatVersion {
  return cutting.window === 0 ? 1 : FORMAT_VERSION;
}

/** The record as JSON. That of an encrypted store tells nothing that only its keys should: it may be read by everybody. */
export function encodeFormatRecord(record: FormatRecord): string {
  const { cutting, encryption, ...rest } = record;
  const text = {
    product: PRODUCT,
    formatVersion: formatVersionOf(record),
    ...rest,
    cutting: { ...cutting, seed: encryption === undefined ? cutting.seed.toString(16).padStart(16, '0') : null },
    encryption: encryption ?? null,
    keyedNames: encryption === undefined ? null : KEYED_NAMES,
  };
  return JSON.stringify(text, undefined, 2) + '\n';
}

/**
 * @param where what to name in errors
 * @throws {UmbraError} STORE_FOREIGN, STORE_NEWER
 */
export function parseFormatRecord(text: string, where: string): FormatRecord {
  const value = parseJson(text, where);
  if (value['product'] !== PRODUCT) throw foreign(where, 'its format file names another product');
  const version = value['formatVersion'];
  if (!isWholeNumber(version, 1, Number.MAX_SAFE_INTEGER)) throw foreign(where, 'its format file has no version');
  if (version > FORMAT_VERSION) throw newer(where, `format ${version}, and this Umbra reads up to ${FORMAT_VERSION}`);
  const encryption = parseEncryption(value, where);
  const cutting = asObject(value['cutting']);
  const compression = asObject(value['compression']);
  const seed = encryption === undefined ? cutting['seed'] : NO_SEED;
  const { zeroBits, maxBlocks } = cutting;
  const window = version === 1 ? 0 : cutting['window'];
  const { codec, level } = compression;
  const { id, createdMs } = value;
  if (
    typeof id !== 'string' ||
    typeof createdMs !== 'number' ||
    typeof seed !== 'string' ||
    !SEED.test(seed) ||
    !isWholeNumber(zeroBits, 0, 16) ||
    !isWholeNumber(window, 0, 64) ||
    !isWholeNumber(maxBlocks, 1, 1024) ||
    (codec !== 'zstd' && codec !== 'lz4') ||
    !isWholeNumber(level, 1, 19)
  ) {
    throw foreign(where, 'its format file is not complete');
  }
  return {
    id,
    createdMs,
    cutting: { seed: BigInt(`0x${seed}`), zeroBits, window, maxBlocks },
    compression: { codec, level },
    ...(encryption === undefined ? {} : { encryption }),
  };
}

function parseEncryption(
  { encryption, keyedNames }: Readonly<Record<string, unknown>>,
  where: string,
): FormatRecord['encryption'] {
  if (encryption === null && keyedNames === null) return undefined;
  const cipher = CIPHERS.find((name) => name === asObject(encryption)['cipher']);
  if (cipher !== undefined && keyedNames === KEYED_NAMES) return { cipher };
  throw newer(where, 'encryption that this one does not know');
}

/**
 * Read the format file of the store in `directory`.
 * @returns undefined if the directory is empty or does not exist: there is no store
 * @throws {UmbraError} STORE_FOREIGN, STORE_NEWER, STORE_FAILED; STORE_DAMAGED if the store's databases are there, and
 * the file is lost or can't be read
 */
export async function readFormatFile(directory: string): Promise<FormatRecord | undefined> {
  let text = await readText(directory);
  if (text === undefined) {
    const names = await namesIn(directory);
    if (names.every((name) => LEFTOVERS.has(name))) return undefined;
    // Somebody who makes a store just now writes the file before anything else.
    text = await readText(directory);
  }
  if (text === undefined) {
    if (await hasObjects(directory)) throw lostFormat(directory, 'has lost its format file');
    throw foreign(directory, 'it is not empty and has no format file');
  }
  try {
    return parseFormatRecord(text, directory);
  } catch (error) {
    if (!isUmbraError(error, 'STORE_FOREIGN') || namesAnotherProduct(text)) throw error;
    if (await hasObjects(directory)) throw lostFormat(directory, 'has a damaged format file', error);
    throw error;
  }
}

/** @returns undefined if there is no format file */
async function readText(directory: string): Promise<string | undefined> {
  try {
    return await readFile(path.join(directory, FILE), 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw new UmbraError('STORE_FAILED', `the store ${directory} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** True if there is a database of objects, from which everything else can be made again. */
async function hasObjects(directory: string): Promise<boolean> {
  const objects = path.join(directory, 'objects');
  const isDirectory = await stat(objects).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isDirectory && (await namesIn(objects)).some((name) => /^(CURRENT|MANIFEST-\d+|\d+\.(ldb|log))$/.test(name));
}

/** True if the format file can be read, and is of something else. */
function namesAnotherProduct(text: string): boolean {
  try {
    return asObject(JSON.parse(text))['product'] !== PRODUCT;
  } catch {
    return false;
  }
}

function lostFormat(directory: string, what: string, cause?: unknown): UmbraError {
  return new UmbraError('STORE_DAMAGED', `the store ${directory} ${what}`, {
    hint: 'Run "umbra rebuild": it takes the copy among the objects.',
    cause,
  });
}

/** Make the directory and write its format file, durably, before anything else is made in it. */
export async function writeFormatFile(directory: string, record: FormatRecord): Promise<void> {
  await makeDirectories(directory);
  await writeDurably(path.join(directory, FILE), encodeFormatRecord(record));
}

/** Names that may lie in a directory which is to become a store: what a broken-off attempt leaves, or a new file system has. */
const LEFTOVERS = new Set([`${FILE}.new`, 'keys', 'keys.new', 'lock', 'server.log', 'server.sock', 'lost+found']);

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return [];
    throw new UmbraError('STORE_FAILED', `${directory} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function parseJson(text: string, where: string): Record<string, unknown> {
  try {
    return asObject(JSON.parse(text));
  } catch (cause) {
    throw foreign(where, 'its format file is not JSON', cause);
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isWholeNumber(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && typeof value === 'number' && value >= least && value <= most;
}

function foreign(where: string, why: string, cause?: unknown): UmbraError {
  return new UmbraError('STORE_FOREIGN', `${where} is not an Umbra store: ${why}`, {
    hint: 'Give the directory of a store, or one that is empty or does not exist.',
    cause,
  });
}

function newer(where: string, why: string): UmbraError {
  return new UmbraError('STORE_NEWER', `${where} was made by a newer Umbra: it has ${why}`, {
    hint: 'Install the version of Umbra that made it.',
  });
}
