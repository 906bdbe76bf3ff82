import type { FileType } from '../filesystem.js';
import { type Attribute, AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import { parseExtendedAttributes, wslAttributes, type WslAttributes } from './extended-attributes.js';
import { DIRECTORY_INDEX } from './directory.js';
import { isDosName } from './file-name.js';
import { Inode } from './inode.js';
import { type InterixFile, MAX_INTERIX_BYTES, mayBeInterix, parseInterix } from './interix.js';
import { parseReparsePoint, type ReparsePoint, ReparseTag } from './reparse-point.js';
import { parseStandardInformation, type StandardInformation } from './standard-information.js';
import { readAll, streamOf } from './stream.js';
import { FileAttribute } from './file-attributes.js';
import { WOF_STREAM, wofCompression } from './wof.js';

/** [MS-FSCC] 2.1.2: at most 16 KiB; and a header. */
const MAX_REPARSE_BYTES = 16 * 1024 + 32;
const MAX_EA_BYTES = 64 * 1024;

/** A file, and what is needed to show it. */
export interface NtfsFile {
  readonly inode: Inode;
  readonly information: StandardInformation;
  readonly type: FileType;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly reparse: ReparsePoint | undefined;
  readonly interix: InterixFile | undefined;
  readonly extended: ReadonlyMap<string, Buffer>;
  readonly wsl: WslAttributes;
  /** Names, without those for DOS alone. */
  readonly links: number;
  readonly sizeBytes: number;
  /** What its content takes on the volume. */
  readonly takenBytes: number;
}

const NONE: ReadonlyMap<string, Buffer> = new Map();

/**
 * The file of a packed reference.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export async function loadFile(core: NtfsCore, id: number): Promise<NtfsFile> {
  const inode = await Inode.load(core, id);
  const information = parseStandardInformation((await inode.first(AttributeType.STANDARD_INFORMATION))?.value);
  const reparse = await loadReparsePoint(core, inode, information);
  const extended = await loadExtended(core, inode);
  const wsl = wslAttributes(extended);
  const interix = reparse === undefined ? await loadInterix(core, inode, information) : undefined;
  const type = interix?.type ?? typeOf(inode, reparse);
  return {
    inode,
    information,
    type,
    device: interix?.device ?? (isDevice(type) ? (wsl.device ?? { major: 0, minor: 0 }) : undefined),
    reparse,
    interix,
    extended,
    wsl,
    links: inode.record.isDirectory ? 1 : await countLinks(inode),
    ...(await sizesOf(inode, type, reparse)),
  };
}

function isDevice(type: FileType): boolean {
  return type === 'character-device' || type === 'block-device';
}

const REPARSE_TYPES: ReadonlyMap<number, FileType> = new Map([
  [ReparseTag.MOUNT_POINT, 'symlink'],
  [ReparseTag.SYMLINK, 'symlink'],
  [ReparseTag.LX_SYMLINK, 'symlink'],
  [ReparseTag.AF_UNIX, 'socket'],
  [ReparseTag.LX_FIFO, 'fifo'],
  [ReparseTag.LX_CHR, 'character-device'],
  [ReparseTag.LX_BLK, 'block-device'],
]);

/** What is no link and no device to Windows is a file or directory with something behind it: clouds, deduplication. */
function typeOf(inode: Inode, reparse: ReparsePoint | undefined): FileType {
  const special = reparse === undefined ? undefined : REPARSE_TYPES.get(reparse.tag);
  return special ?? (inode.record.isDirectory ? 'directory' : 'file');
}

async function loadReparsePoint(
  core: NtfsCore,
  inode: Inode,
  { attributes }: StandardInformation,
): Promise<ReparsePoint | undefined> {
  if ((attributes & FileAttribute.REPARSE_POINT) === 0) return undefined;
  const parts = await inode.parts(AttributeType.REPARSE_POINT, '');
  if (parts.length === 0) return undefined;
  return parseReparsePoint(await readAll(core, streamOf(core, parts), MAX_REPARSE_BYTES));
}

async function loadExtended(core: NtfsCore, inode: Inode): Promise<ReadonlyMap<string, Buffer>> {
  const parts = await inode.parts(AttributeType.EA, '');
  if (parts.length === 0) return NONE;
  return parseExtendedAttributes(await readAll(core, streamOf(core, parts), MAX_EA_BYTES));
}

async function loadInterix(
  core: NtfsCore,
  inode: Inode,
  { attributes }: StandardInformation,
): Promise<InterixFile | undefined> {
  if (inode.record.isDirectory || (attributes & FileAttribute.SYSTEM) === 0) return undefined;
  const data = await inode.first(AttributeType.DATA);
  if (data === undefined || data.compressed || data.encrypted) return undefined;
  if (!mayBeInterix(attributes, sizesIn(data).sizeBytes)) return undefined;
  const stream = streamOf(core, await inode.parts(AttributeType.DATA, ''));
  return parseInterix(attributes, await readAll(core, stream, MAX_INTERIX_BYTES));
}

async function countLinks(inode: Inode): Promise<number> {
  let links = 0;
  for (const { value } of await inode.all(AttributeType.FILE_NAME)) {
    if (value !== undefined && !isDosName(value)) links += 1;
  }
  return Math.max(1, links);
}

async function sizesOf(
  inode: Inode,
  type: FileType,
  reparse: ReparsePoint | undefined,
): Promise<{ sizeBytes: number; takenBytes: number }> {
  const isDirectory = type === 'directory';
  const content = isDirectory
    ? await inode.first(AttributeType.INDEX_ALLOCATION, DIRECTORY_INDEX)
    : await inode.first(AttributeType.DATA);
  if (content === undefined) return { sizeBytes: 0, takenBytes: 0 };
  const sizes = sizesIn(content);
  if (isDirectory || wofCompression(reparse) === undefined) return sizes;
  const packed = await inode.first(AttributeType.DATA, WOF_STREAM);
  return packed === undefined ? sizes : { sizeBytes: sizes.sizeBytes, takenBytes: sizesIn(packed).takenBytes };
}

/** The size of a stream, and what it takes: in the file's record, what it takes there. */
function sizesIn(attribute: Attribute): { sizeBytes: number; takenBytes: number } {
  const { nonresident } = attribute;
  if (nonresident !== undefined) return { sizeBytes: nonresident.sizeBytes, takenBytes: nonresident.takenBytes };
  const sizeBytes = attribute.value?.length ?? 0;
  return { sizeBytes, takenBytes: Math.ceil(sizeBytes / 8) * 8 };
}
