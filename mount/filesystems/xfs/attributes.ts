import { Budget } from '../../blocks/budget.js';
import { escapeName } from '../names.js';
import { portableAcl } from './acl.js';
import { ATTRIBUTE_FLAGS, type RawAttribute } from './attribute-entry.js';
import { leafAttributes } from './attribute-leaf.js';
import type { ExtentMap } from './extent-map.js';
import { forkMap } from './fork-map.js';
import { findLeaf, type HashTreePlace, readLeaf } from './hash-tree.js';
import type { Inode } from './inode.js';
import type { Metadata } from './metadata.js';
import { readRemoteValue } from './remote-value.js';
import { shortformAttributes } from './shortform-attributes.js';

const HIDDEN = ATTRIBUTE_FLAGS.parent | ATTRIBUTE_FLAGS.incomplete;
/** The attributes that are POSIX ACLs, in the namespace of root. */
const ACLS: ReadonlyMap<string, string> = new Map([
  ['SGI_ACL_FILE', 'system.posix_acl_access'],
  ['SGI_ACL_DEFAULT', 'system.posix_acl_default'],
]);

/** One file's attributes may have as many leaves and as many bytes as this. */
const MOST_LEAVES = 4096;
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * The extended attributes of a file, as listxattr(2) and getxattr(2) show them to root. An ACL shows as what it is,
 * and as the attribute of root that it is kept in.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function readAttributes(metadata: Metadata, inode: Inode): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const fork = inode.attributes;
  if (fork === undefined || !inode.stat.mayHaveXattrs) return found;
  if (fork.format === 'local') {
    for (const attribute of shortformAttributes(fork.bytes)) await put(found, attribute, noRemote);
    return found;
  }
  const map = forkMap(metadata, inode.number, fork);
  const budget = new Budget(MOST_BYTES, 'bytes of attributes');
  const remote = async (attribute: RawAttribute): Promise<Buffer> => {
    if (Buffer.isBuffer(attribute.value)) return attribute.value;
    budget.spend(attribute.value.length);
    return await readRemoteValue(metadata, map, inode.number, attribute.value);
  };
  for await (const attributes of leaves(metadata, map, inode.number)) {
    for (const attribute of attributes) await put(found, attribute, remote);
  }
  return found;
}

type ReadValue = (attribute: RawAttribute) => Promise<Buffer> | Buffer;

function noRemote({ value }: RawAttribute): Buffer {
  return value as Buffer;
}

async function put(found: Map<string, Uint8Array>, attribute: RawAttribute, read: ReadValue): Promise<void> {
  const { flags, name } = attribute;
  if ((flags & HIDDEN) !== 0) return;
  const value = Buffer.from(await read(attribute));
  const shown = escapeName(name);
  if ((flags & ATTRIBUTE_FLAGS.root) !== 0) {
    const acl = ACLS.get(shown);
    if (acl !== undefined) found.set(acl, portableAcl(value));
    found.set(`trusted.${shown}`, value);
  } else found.set(`${(flags & ATTRIBUTE_FLAGS.secure) !== 0 ? 'security' : 'user'}.${shown}`, value);
}

async function* leaves(metadata: Metadata, map: ExtentMap, owner: number): AsyncGenerator<RawAttribute[]> {
  const version = metadata.geometry.superblock.version === 5 ? 'v5' : 'v4';
  const place: HashTreePlace = { metadata, map, owner, firstBlock: 0, blocksEach: 1 };
  const budget = new Budget(MOST_LEAVES, 'leaves of attributes');
  let leaf = await findLeaf(place, 0);
  while (leaf !== undefined) {
    budget.spend();
    yield leafAttributes(leaf.bytes, version);
    leaf = leaf.next === 0 ? undefined : await readLeaf(place, leaf.next);
  }
}
