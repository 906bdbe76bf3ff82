import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import type { Eventually } from '../../../src/common/eventually.js';
import type { FileId, Filesystem } from '../../../mount/filesystems/filesystem.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { Random } from '../random.js';
import { strictSource } from './sources.js';

/** A change of an image: some bytes at an offset. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** An image with some patches over it; the image itself stays as it is. */
export function patchedSource(base: Uint8Array, patches: readonly Patch[]): ByteSource {
  return {
    sizeBytes: base.length,
    read(target, offset) {
      const length = Math.max(0, Math.min(target.length, base.length - offset));
      target.set(base.subarray(offset, offset + length));
      for (const { offset: at, bytes } of patches) {
        const from = Math.max(offset, at);
        const to = Math.min(offset + length, at + bytes.length);
        if (to > from) target.set(bytes.subarray(from - at, to - at), from - offset);
      }
      return length;
    },
    locate: (offset, length) => [{ volume: 'vda', offset, length }],
  };
}

const INTERESTING = [0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff] as const;

/**
 * A few random patches inside of `regions` (where the metadata stands): flipped bits, interesting numbers of one to
 * eight bytes in both byte orders, copies of other places, zeros.
 */
export function randomPatches(
  random: Random,
  base: Uint8Array,
  regions: readonly { readonly offset: number; readonly length: number }[],
): Patch[] {
  return Array.from({ length: random.between(1, random.chance(0.2) ? 12 : 3) }, () => {
    const region = regions[random.below(regions.length)] ?? { offset: 0, length: base.length };
    const offset = Math.min(region.offset + random.below(region.length), base.length - 1);
    return { offset, bytes: randomBytes(random, base, offset) };
  });
}

function randomBytes(random: Random, base: Uint8Array, offset: number): Uint8Array {
  const kind = random.below(5);
  if (kind === 0) return Buffer.of((base[offset] ?? 0) ^ (1 << random.below(8)));
  if (kind === 1) return random.bytes(random.between(1, 16));
  if (kind === 2) return Buffer.alloc(random.between(1, 512));
  if (kind === 3) {
    const from = random.below(base.length);
    return Buffer.from(base.subarray(from, from + random.between(1, 64)));
  }
  return interesting(random);
}

function interesting(random: Random): Buffer {
  const value = BigInt(INTERESTING[random.below(INTERESTING.length)] ?? 0);
  const bytes = Buffer.alloc(8);
  const length = 2 ** random.below(4);
  if (random.chance(0.5)) {
    bytes.writeBigUInt64LE(value);
    return bytes.subarray(0, length);
  }
  bytes.writeBigUInt64BE(value);
  return bytes.subarray(8 - length);
}

/** How much {@link exercise} looks at. */
const MAX_ENTRIES = 3000;
const MAX_FILE_BYTES = 256 * 1024;
const MAX_READ_BYTES = 16 * 1024 * 1024;

/**
 * Open what may be anything and look at all of it, within limits. Every error must be an UmbraError of a file system;
 * nothing may be read outside of the source.
 * @returns what was wrong with the reader (not with the image): empty if it stood the test
 */
export async function exercise(
  source: ByteSource,
  open: (source: ByteSource) => Promise<Filesystem | undefined>,
): Promise<string[]> {
  const wrong: string[] = [];
  const note = (what: string, error: unknown): void => {
    if (error instanceof UmbraError && error.code.startsWith('FILESYSTEM_')) return;
    wrong.push(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  };
  const attempt = async <T>(what: string, work: () => Eventually<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      note(what, error);
      return undefined;
    }
  };
  const strict = strictSource(source, (what) => wrong.push(what));
  const filesystem = await attempt('open', () => open(strict));
  if (filesystem === undefined) return wrong;
  await attempt('usage', () => filesystem.usage());
  await new Walk(filesystem, attempt).run();
  return wrong;
}

type Attempt = <T>(what: string, work: () => Eventually<T>) => Promise<T | undefined>;

class Walk {
  readonly #filesystem: Filesystem;
  readonly #attempt: Attempt;
  readonly #seen = new Set<FileId>();
  readonly #pending: FileId[];
  #entries = 0;
  #readBytes = 0;

  constructor(filesystem: Filesystem, attempt: Attempt) {
    this.#filesystem = filesystem;
    this.#attempt = attempt;
    this.#pending = [filesystem.root];
  }

  async run(): Promise<void> {
    for (let id = this.#pending.pop(); id !== undefined; id = this.#pending.pop()) {
      if (this.#seen.has(id) || this.#seen.size >= MAX_ENTRIES) continue;
      this.#seen.add(id);
      await this.#look(id);
    }
  }

  async #look(id: FileId): Promise<void> {
    const filesystem = this.#filesystem;
    const stat = await this.#attempt(`stat of ${id}`, () => filesystem.stat(id));
    await this.#attempt(`xattrs of ${id}`, () => filesystem.xattrs(id));
    if (stat?.type === 'symlink') await this.#attempt(`readlink of ${id}`, () => filesystem.readlink(id));
    if (stat?.type === 'file') await this.#attempt(`content of ${id}`, () => this.#readFile(id));
    if (stat?.type === 'directory') await this.#attempt(`directory ${id}`, () => this.#list(id));
  }

  async #list(id: FileId): Promise<void> {
    let names = 0;
    for await (const batch of this.#filesystem.readDirectory(id)) {
      for (const { name, id: child } of batch) {
        if (name === '.' || name === '..' || name === '' || /[/\0]/.test(name)) throw new TypeError(`name "${name}"`);
        if (names++ % 16 === 0) {
          await this.#attempt(`lookup of ${name} in ${id}`, () => this.#filesystem.lookup(id, name));
        }
        if (this.#entries++ < MAX_ENTRIES) this.#pending.push(child);
      }
    }
  }

  async #readFile(id: FileId): Promise<void> {
    const file = await this.#filesystem.open(id);
    const piece = Buffer.alloc(65_536);
    const offsets = [0, 65_536, Math.floor(file.sizeBytes / 2), Math.max(0, file.sizeBytes - 65_536)];
    for (const offset of offsets) {
      if (this.#readBytes > MAX_READ_BYTES || offset > file.sizeBytes) break;
      this.#readBytes += await file.read(piece, offset);
    }
    let extents = 0;
    for await (const { offset } of this.#filesystem.extents(id)) {
      if (offset > MAX_FILE_BYTES || extents++ > 1000) break;
    }
  }
}
