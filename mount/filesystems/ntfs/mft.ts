import type { MetadataReader } from '../../blocks/block-cache.js';
import { UmbraError } from '../../../src/common/errors.js';
import { AttributeType, type Attribute } from './attribute.js';
import { parseListEntries, type ListEntry } from './attribute-list.js';
import type { Geometry } from './boot-sector.js';
import { type FileRecord, parseFileRecord } from './file-record.js';
import { damaged } from './parse.js';
import { readRuns } from './read-runs.js';
import { RunList } from './runs.js';

/** Files that are at the same place in every volume. */
export const SystemFile = { MFT: 0, LOG_FILE: 2, VOLUME: 3, ROOT: 5, BITMAP: 6, SECURE: 9, UPCASE: 10 } as const;

/** The first record that a user's file can have. */
export const FIRST_USER_RECORD = 16;

/** `$MFTMirr` has the first four records, or as many as fit in a cluster. */
const MIRRORED_RECORDS = 4;

/** The master file table: every file's record. */
export class Mft {
  readonly geometry: Geometry;
  readonly #reader: MetadataReader;
  readonly #runs: RunList;
  #records = 0;
  /** What was wrong with the table itself. */
  readonly problems: string[] = [];

  private constructor(reader: MetadataReader, geometry: Geometry) {
    this.geometry = geometry;
    this.#reader = reader;
    this.#runs = new RunList(geometry.clusters);
  }

  /** How many records there are, in use or not. */
  get records(): number {
    return this.#records;
  }

  /** @throws {UmbraError} FILESYSTEM_DAMAGED when neither the table nor its mirror can be read */
  static async open(reader: MetadataReader, geometry: Geometry): Promise<Mft> {
    const mft = new Mft(reader, geometry);
    await mft.#load();
    return mft;
  }

  /**
   * The record of that number, in use or not.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  async record(number: number): Promise<FileRecord> {
    if (number >= this.#records) throw damaged(`there is no file record ${number}`);
    const { recordBytes } = this.geometry;
    try {
      const bytes = readRuns(this.#reader, this.geometry, this.#runs, number * recordBytes, recordBytes);
      return parseFileRecord(number, Buffer.from(bytes instanceof Promise ? await bytes : bytes));
    } catch (error) {
      if (number >= MIRRORED_RECORDS || !(error instanceof UmbraError)) throw error;
      return await this.#mirrored(number, error);
    }
  }

  async #load(): Promise<void> {
    const { recordBytes, clusterBytes, mftCluster } = this.geometry;
    const first = await this.#first(mftCluster * clusterBytes);
    const data = first.attributes.find(({ type, name }) => type === AttributeType.DATA && name === '');
    if (data?.nonresident?.lowestVcn !== 0) throw damaged('$MFT has no content');
    this.#runs.append(data.nonresident.pairs);
    this.#records = this.#mapped();
    await this.#loadRest(first);
    const { sizeBytes, initializedBytes } = data.nonresident;
    const records = Math.floor(Math.min(sizeBytes, initializedBytes) / recordBytes);
    if (records > this.#mapped()) this.problems.push('a part of the list of files ($MFT) is missing');
    this.#records = Math.min(records, this.#mapped());
  }

  /** How many records the runs known so far hold. */
  #mapped(): number {
    return Math.floor((this.#runs.clusters * this.geometry.clusterBytes) / this.geometry.recordBytes);
  }

  async #first(offset: number): Promise<FileRecord> {
    try {
      const bytes = await this.#reader.get(offset, this.geometry.recordBytes);
      return parseFileRecord(SystemFile.MFT, Buffer.from(bytes));
    } catch (error) {
      if (!(error instanceof UmbraError)) throw error;
      return await this.#mirrored(SystemFile.MFT, error);
    }
  }

  async #mirrored(number: number, cause: UmbraError): Promise<FileRecord> {
    const { recordBytes, clusterBytes, mirrorCluster } = this.geometry;
    try {
      const bytes = await this.#reader.get(mirrorCluster * clusterBytes + number * recordBytes, recordBytes);
      const record = parseFileRecord(number, Buffer.from(bytes));
      const problem = `file record ${number} was read from its copy: ${cause.message}`;
      if (!this.problems.includes(problem)) this.problems.push(problem);
      return record;
    } catch {
      throw cause;
    }
  }

  /** Of a table with very many fragments: further records, each of which stands in the part that is known by then. */
  async #loadRest(first: FileRecord): Promise<void> {
    const list = first.attributes.find(({ type }) => type === AttributeType.ATTRIBUTE_LIST);
    if (list === undefined) return;
    const entries = parseListEntries(await this.#listBytes(list));
    const rest = entries.filter(({ type, name, vcn }) => type === AttributeType.DATA && name === '' && vcn > 0);
    try {
      for (const entry of rest) {
        await this.#append(entry);
        this.#records = this.#mapped();
      }
    } catch (error) {
      if (!(error instanceof UmbraError)) throw error;
      this.problems.push(`a part of the list of files ($MFT) is missing: ${error.message}`);
    }
  }

  async #append(entry: ListEntry): Promise<void> {
    const record = await this.record(entry.record);
    const attribute = record.attributes.find(
      ({ type, name, nonresident }) =>
        type === AttributeType.DATA && name === '' && nonresident?.lowestVcn === this.#runs.clusters,
    );
    if (attribute?.nonresident === undefined) throw damaged(`file record ${entry.record} is no part of $MFT`);
    this.#runs.append(attribute.nonresident.pairs);
  }

  async #listBytes({ value, nonresident }: Attribute): Promise<Buffer> {
    if (nonresident === undefined) return value ?? Buffer.alloc(0);
    const runs = new RunList(this.geometry.clusters);
    runs.append(nonresident.pairs);
    const length = Math.min(nonresident.sizeBytes, runs.clusters * this.geometry.clusterBytes, MAX_LIST_BYTES);
    return await readRuns(this.#reader, this.geometry, runs, 0, length);
  }
}

const MAX_LIST_BYTES = 256 * 1024;
