import type { IndexNode } from './index-node.js';
import { packReference, parseReference } from './file-record.js';
import { damaged, utf16 } from './parse.js';

/** Before the name of a `$FILE_NAME`. */
export const FILE_NAME_BYTES = 66;
const NAME_SPACE_OFFSET = 65;

/** The kind of a name. A file with a long name for Windows often has a second one for DOS. */
export const NameSpace = { POSIX: 0, WIN32: 1, DOS: 2, WIN32_AND_DOS: 3 } as const;

/** An entry of a directory. */
export interface NameEntry {
  /** The file's packed reference. */
  readonly id: number;
  readonly record: number;
  readonly name: string;
  readonly nameSpace: number;
  /** Attributes as the directory knows them; may be older than those in the file's record. */
  readonly attributes: number;
}

/** The name of a `$FILE_NAME` attribute and its kind; `parent` is the packed reference of the directory it stands in. */
export function parseFileName(value: Buffer): { parent: number; name: string; nameSpace: number } {
  const length = value.length < FILE_NAME_BYTES ? 0 : 2 * value.readUInt8(64);
  if (length === 0 || FILE_NAME_BYTES + length > value.length) throw damaged('a name is cut off');
  const name = utf16(value, FILE_NAME_BYTES, FILE_NAME_BYTES + length);
  return { parent: packReference(parseReference(value, 0)), name, nameSpace: value.readUInt8(NAME_SPACE_OFFSET) };
}

/** True for a name that a file has besides its long one; looks at no more than that. */
export function isDosName(value: Buffer): boolean {
  return value[NAME_SPACE_OFFSET] === NameSpace.DOS;
}

/** How many units the name of entry `index` has; the rest of the entry can be read once this has been asked for. */
export function nameLength(node: IndexNode, index: number): number {
  const key = node.keyAt(index);
  const keyLength = node.keyLength(index);
  const length = keyLength < FILE_NAME_BYTES ? 0 : (node.bytes[key + 64] ?? 0);
  if (length === 0 || FILE_NAME_BYTES + 2 * length > keyLength) throw damaged('a name in a directory is cut off');
  return length;
}

/** Entry `index` of a directory's node. */
export function nameEntry(node: IndexNode, index: number): NameEntry {
  const length = nameLength(node, index);
  const { bytes } = node;
  const key = node.keyAt(index);
  const reference = parseReference(bytes, node.entryAt(index));
  return {
    id: packReference(reference),
    record: reference.number,
    name: utf16(bytes, key + FILE_NAME_BYTES, key + FILE_NAME_BYTES + 2 * length),
    nameSpace: bytes[key + NAME_SPACE_OFFSET] ?? 0,
    attributes: bytes.readUInt32LE(key + 56),
  };
}
