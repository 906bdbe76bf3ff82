import { type Attribute, AttributeType } from './attribute.js';
import { type ListEntry, parseListEntries } from './attribute-list.js';
import type { NtfsCore } from './core.js';
import { type FileRecord, unpackReference } from './file-record.js';
import { Lru } from '../lru.js';
import { damaged } from './parse.js';
import { readAll, streamOf } from './stream.js';

/** As Windows has it. */
const MAX_LIST_BYTES = 256 * 1024;

/** Further records of a file that are kept: its attributes stand in them one after the other. */
const KEPT_RECORDS = 4;

/** A file: its first record, and the list of what stands in others. */
export class Inode {
  readonly record: FileRecord;
  readonly #core: NtfsCore;
  readonly #list: readonly ListEntry[] | undefined;
  readonly #others = new Lru<number, FileRecord>(KEPT_RECORDS);

  private constructor(core: NtfsCore, record: FileRecord, list?: readonly ListEntry[]) {
    this.#core = core;
    this.record = record;
    this.#list = list;
  }

  /**
   * The file of a packed reference.
   * @throws {UmbraError} FILESYSTEM_DAMAGED if there is no such file
   */
  static async load(core: NtfsCore, id: number): Promise<Inode> {
    const { number, sequence } = unpackReference(id);
    const inode = await Inode.loadRecord(core, number);
    if (inode.record.sequence !== sequence) throw damaged(`file record ${number} is another file's by now`);
    return inode;
  }

  /** The file of that record, whichever it is. */
  static async loadRecord(core: NtfsCore, number: number): Promise<Inode> {
    const record = await core.mft.record(number);
    if (!record.inUse) throw damaged(`file record ${number} is not in use`);
    if (record.base !== undefined) throw damaged(`file record ${number} is a part of another file`);
    const list = record.attributes.find(({ type }) => type === AttributeType.ATTRIBUTE_LIST);
    if (list === undefined) return new Inode(core, record);
    const stream = streamOf(core, [list]);
    return new Inode(core, record, parseListEntries(await readAll(core, stream, MAX_LIST_BYTES)));
  }

  /** The first attribute of that kind and name: the one with the sizes. */
  async first(type: number, name = ''): Promise<Attribute | undefined> {
    if (this.#list === undefined) return this.record.attributes.find((it) => it.type === type && it.name === name);
    const entry = this.#list.find((it) => it.type === type && it.name === name && it.vcn === 0);
    return entry === undefined ? undefined : await this.#resolve(entry);
  }

  /** All attributes of that kind, of any name; of streams in several parts the first part. */
  async all(type: number): Promise<readonly Attribute[]> {
    if (this.#list === undefined) return this.record.attributes.filter((it) => it.type === type);
    return await this.#resolveAll(this.#list.filter((it) => it.type === type && it.vcn === 0));
  }

  /** All parts of one stream, in order. */
  async parts(type: number, name: string): Promise<readonly Attribute[]> {
    if (this.#list === undefined) {
      return this.record.attributes.filter((it) => it.type === type && it.name === name).slice(0, 1);
    }
    const entries = this.#list.filter((it) => it.type === type && it.name === name);
    return await this.#resolveAll(entries.sort((a, b) => a.vcn - b.vcn));
  }

  async #resolveAll(entries: readonly ListEntry[]): Promise<Attribute[]> {
    const attributes: Attribute[] = [];
    for (const entry of entries) attributes.push(await this.#resolve(entry));
    return attributes;
  }

  async #resolve(entry: ListEntry): Promise<Attribute> {
    const { attributes } = entry.record === this.record.number ? this.record : await this.#other(entry.record);
    const attribute = attributes.find(
      (it) =>
        it.instance === entry.instance &&
        it.type === entry.type &&
        it.name === entry.name &&
        (it.nonresident?.lowestVcn ?? 0) === entry.vcn,
    );
    if (attribute === undefined) throw damaged(`file record ${entry.record} has not what the file's list says`);
    return attribute;
  }

  async #other(number: number): Promise<FileRecord> {
    const known = this.#others.get(number);
    if (known !== undefined) return known;
    const record = await this.#core.mft.record(number);
    if (!record.inUse || record.base !== this.record.number) {
      throw damaged(`file record ${number} is no part of file ${this.record.number}`);
    }
    return this.#others.set(number, record);
  }
}
