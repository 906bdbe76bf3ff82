import { escapeUtf16 } from '../names.js';
import { type Attribute, AttributeType } from './attribute.js';
import { openStream } from './open-stream.js';
import type { NtfsCore } from './core.js';
import type { NtfsFile } from './file.js';
import { DOSATTRIB_XATTR, dosattribXattr, NTACL_XATTR, ntaclXattr } from './samba-xattrs.js';
import { MAX_DESCRIPTOR_BYTES, type SecurityDescriptors } from './security.js';
import { readAll, streamOf } from './stream.js';
import { wofCompression, WOF_STREAM } from './wof.js';

/** Linux allows no longer ones (xattr(7)). */
const MAX_NAME_BYTES = 255;
const MAX_VALUE_BYTES = 64 * 1024;
/** Of all streams of one file together. */
const MAX_STREAMS_BYTES = 1024 * 1024;
const MAX_STREAMS = 1000;

const USER = 'user.';
/** How ntfs-3g names streams for attributes that are not `user.` ones. */
const OTHER_PREFIX = 'ntfs-3g.';
const OTHERS = ['security.', 'system.', 'trusted.'];

/**
 * The extended attributes of a file: its other streams, as ntfs-3g shows them; its security descriptor and DOS attributes,
 * as Samba reads them; and what Linux' own driver keeps.
 */
export async function readXattrs(
  core: NtfsCore,
  security: SecurityDescriptors,
  file: NtfsFile,
): Promise<Map<string, Uint8Array>> {
  const xattrs = new Map<string, Uint8Array>();
  const descriptor = await descriptorOf(core, security, file);
  const ntacl = descriptor === undefined ? undefined : ntaclXattr(descriptor);
  if (ntacl !== undefined) xattrs.set(NTACL_XATTR, ntacl);
  if (file.type !== 'file' && file.type !== 'directory') return xattrs;
  xattrs.set(DOSATTRIB_XATTR, dosattribXattr(file.information, file.type === 'directory'));
  for (const [name, value] of file.extended) if (name.startsWith(USER)) xattrs.set(name, value);
  await addStreams(core, file, xattrs);
  return xattrs;
}

async function descriptorOf(
  core: NtfsCore,
  security: SecurityDescriptors,
  { inode, information }: NtfsFile,
): Promise<Buffer | undefined> {
  if (information.securityId !== 0) return await security.get(information.securityId);
  const parts = await inode.parts(AttributeType.SECURITY_DESCRIPTOR, '');
  return parts.length === 0 ? undefined : await readAll(core, streamOf(core, parts), MAX_DESCRIPTOR_BYTES);
}

async function addStreams(
  core: NtfsCore,
  { inode, reparse }: NtfsFile,
  xattrs: Map<string, Uint8Array>,
): Promise<void> {
  const hidden = wofCompression(reparse) === undefined ? undefined : WOF_STREAM;
  let left = MAX_STREAMS_BYTES;
  const streams = await inode.all(AttributeType.DATA);
  for (const stream of streams.slice(0, MAX_STREAMS)) {
    if (stream.name === '' || stream.name === hidden || stream.encrypted) continue;
    const name = xattrName(stream.name);
    const sizeBytes = sizeOf(stream);
    if (sizeBytes > Math.min(MAX_VALUE_BYTES, left) || Buffer.byteLength(name) > MAX_NAME_BYTES) continue;
    left -= sizeBytes;
    const reader = openStream(core, streamOf(core, await inode.parts(AttributeType.DATA, stream.name)));
    const value = Buffer.alloc(sizeBytes);
    await reader.read(value, 0);
    xattrs.set(name, value);
  }
}

function sizeOf({ value, nonresident }: Attribute): number {
  return nonresident?.sizeBytes ?? value?.length ?? 0;
}

function xattrName(stream: string): string {
  const name = stream.isWellFormed() && !stream.includes('\0') ? stream : escapeUtf16(stream);
  const other = name.startsWith(OTHER_PREFIX) ? name.slice(OTHER_PREFIX.length) : '';
  return OTHERS.some((prefix) => other.startsWith(prefix)) ? other : USER + name;
}
