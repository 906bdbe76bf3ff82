import type { DirectoryItem, FileType } from '../filesystem.js';
import { escapeUtf16, unescapeUtf16 } from '../names.js';
import { FileAttribute } from './file-attributes.js';
import { FILE_NAME_BYTES, nameEntry, type NameEntry, nameLength, NameSpace } from './file-name.js';
import type { IndexNode } from './index-node.js';
import type { IndexTree, Position } from './index-tree.js';
import { FIRST_USER_RECORD } from './mft.js';
import { collate, collateCaseless, type SearchKey, searchKey, type UpcaseTable } from './upcase.js';

/** The index of a directory's names. */
export const DIRECTORY_INDEX = '$I30';

const MAX_NAME_UNITS = 255;
const BATCH_ITEMS = 512;

/** The entry of that escaped name: the very one, else one that differs in case alone, as Windows finds it. */
export async function findName(tree: IndexTree, name: string, upcase: UpcaseTable): Promise<DirectoryItem | undefined> {
  const units = unescapeUtf16(name);
  if (units.length === 0 || units.length > MAX_NAME_UNITS) return undefined;
  const search = new NameSearch(searchKey(units, upcase), upcase);
  await tree.search((node) => search.visit(node));
  const { found } = search;
  return found === undefined || isHidden(found) ? undefined : itemOf(found);
}

/** All entries, in batches; names for DOS alone, and the system's own files, are not shown. */
export async function* listNames(tree: IndexTree): AsyncGenerator<readonly DirectoryItem[]> {
  let batch: DirectoryItem[] = [];
  for await (const node of tree.nodes()) {
    for (let index = 0; index < node.keys; index++) {
      const entry = nameEntry(node, index);
      if (entry.nameSpace !== NameSpace.DOS && !isHidden(entry)) batch.push(itemOf(entry));
    }
    if (batch.length >= BATCH_ITEMS) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** One way down an index. */
class NameSearch {
  readonly #key: SearchKey;
  readonly #upcase: UpcaseTable;
  found: NameEntry | undefined;

  constructor(key: SearchKey, upcase: UpcaseTable) {
    this.#key = key;
    this.#upcase = upcase;
  }

  /**
   * Names that differ in case alone stand together. So if there are any, one of them is the neighbour of the place
   * where the name itself would stand, and neighbours are met on the way there.
   */
  visit(node: IndexNode): Position {
    let low = 0;
    for (let high = node.keys; low < high;) {
      const middle = (low + high) >>> 1;
      const order = this.#compare(node, middle);
      if (order === 0) {
        this.found = nameEntry(node, middle);
        return { index: middle, exact: true };
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    this.#consider(node, low - 1);
    this.#consider(node, low);
    return { index: low, exact: false };
  }

  #compare(node: IndexNode, index: number): number {
    const length = nameLength(node, index);
    return collate(node.bytes, node.keyAt(index) + FILE_NAME_BYTES, length, this.#key, this.#upcase);
  }

  #consider(node: IndexNode, index: number): void {
    if (index < 0 || index >= node.keys || this.found !== undefined) return;
    const at = node.keyAt(index) + FILE_NAME_BYTES;
    if (collateCaseless(node.bytes, at, nameLength(node, index), this.#key, this.#upcase) === 0) {
      this.found = nameEntry(node, index);
    }
  }
}

/** `$MFT` and its like, and the root's entry for itself. */
function isHidden({ record, name }: NameEntry): boolean {
  return record < FIRST_USER_RECORD || name === '.' || name === '..';
}

function itemOf(entry: NameEntry): DirectoryItem {
  const type = typeOf(entry.attributes);
  const name = escapeUtf16(entry.name);
  return type === undefined ? { name, id: entry.id } : { name, id: entry.id, type };
}

/** Undefined where the file itself must be asked: it may be a link, or a device. */
function typeOf(attributes: number): FileType | undefined {
  if ((attributes & (FileAttribute.REPARSE_POINT | FileAttribute.SYSTEM)) !== 0) return undefined;
  return (attributes & FileAttribute.HAS_INDEX) !== 0 ? 'directory' : 'file';
}
