import { UmbraError } from '../../../src/common/errors.js';
import type { DirectoryItem } from '../filesystem.js';
import { escapeUtf16 } from '../names.js';
import { AttributeType } from './attribute.js';
import type { NtfsFile } from './file.js';
import { NameSpace, parseFileName } from './file-name.js';
import { joinNames, linkTarget } from './link-target.js';
import { damaged } from './parse.js';

/** What a resolver asks of its volume. */
export interface LinkVolume {
  readonly root: number;
  file(id: number): Promise<NtfsFile>;
  lookup(directory: number, name: string): Promise<DirectoryItem | undefined>;
}

/** A path has at most 32,767 units in Windows. */
const MAX_NAMES = 1024;

/**
 * The target of a symbolic link or junction as a path that can be followed wherever the volume is mounted. A path on a
 * drive (`C:\Users`) is taken for one on this volume if it is there, as ntfs-3g does, and becomes a relative one; else it
 * is shown with slashes (`C:/Users`). Names are given the case they have, since what the link is restored to may care.
 */
export async function resolveLink(volume: LinkVolume, file: NtfsFile): Promise<string> {
  const target = linkTarget(file);
  if (target.kind === 'plain') return target.path;
  const parents = await parentsOf(volume, file);
  if (target.kind === 'relative') return (await follow(volume, parents, target.names)) ?? joinNames(target.names);
  const found = await follow(volume, [volume.root], target.names);
  if (found === undefined)
    return target.kind === 'drive' ? joinNames([target.drive, ...target.names]) : `/${joinNames(target.names)}`;
  const up = Array.from({ length: parents.length - 1 }, () => '..');
  return [...up, ...(found === '' ? [] : [found])].join('/') || '.';
}

/** The directories from the top to the one that the file stands in. */
async function parentsOf(volume: LinkVolume, file: NtfsFile): Promise<number[]> {
  const parents: number[] = [];
  for (let next = await parentOf(file); ; next = await parentOf(await volume.file(next))) {
    parents.unshift(next);
    if (next === volume.root) return parents;
    if (parents.length > MAX_NAMES) throw damaged('a file lies too deep: there is a loop, or damage');
  }
}

async function parentOf({ inode }: NtfsFile): Promise<number> {
  for (const { value } of await inode.all(AttributeType.FILE_NAME)) {
    if (value === undefined) continue;
    const { parent, nameSpace } = parseFileName(value);
    if (nameSpace !== NameSpace.DOS) return parent;
  }
  throw damaged(`file ${inode.record.number} has no name`);
}

/**
 * The escaped path with each name in the case that it has, as far as there are directories: what is behind another link
 * stays as it is.
 * @param from the directories down to the one where the path begins
 * @returns undefined if there is no such file
 */
async function follow(
  volume: LinkVolume,
  from: readonly number[],
  names: readonly string[],
): Promise<string | undefined> {
  if (names.length > MAX_NAMES) return undefined;
  const directories = [...from];
  const path: string[] = [];
  for (const [index, name] of names.entries()) {
    if (name === '.' || name === '..') {
      if (name === '..' && directories.length > 1) directories.pop();
      path.push(name);
      continue;
    }
    const item = await find(volume, directories.at(-1) ?? volume.root, name);
    if (item === undefined) return undefined;
    path.push(item.name);
    if (!item.isDirectory) return [...path, ...names.slice(index + 1).map(escapeUtf16)].join('/');
    directories.push(item.id);
  }
  return path.join('/');
}

async function find(
  volume: LinkVolume,
  directory: number,
  name: string,
): Promise<{ id: number; name: string; isDirectory: boolean } | undefined> {
  try {
    const item = await volume.lookup(directory, escapeUtf16(name));
    if (item === undefined) return undefined;
    const id = Number(item.id);
    return { id, name: item.name, isDirectory: (await volume.file(id)).type === 'directory' };
  } catch (error) {
    if (error instanceof UmbraError && error.code === 'FILESYSTEM_DAMAGED') return undefined;
    throw error;
  }
}
