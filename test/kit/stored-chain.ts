import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlockCache } from '../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../mount/blocks/byte-source.js';
import { openChain } from '../../mount/merged/open-chain.js';
import { imageCaches } from '../../mount/qcow2/image-caches.js';
import { CHAINS_FILE, encodeChains, type StoredChain, type StoredFile } from '../../src/protocol/stored-chains.js';
import { memorySource } from './filesystems/sources.js';
import { imageContent } from './overlays.js';
import { qemuImg, qemuIo } from './qemu.js';
import type { Random } from './random.js';

const CACHE_BYTES = 1024 * 1024;

/** One file of a disk, as QEMU's tools make it. */
export interface TestLayer {
  readonly format: 'raw' | 'qcow2';
  /** As `qemu-img create` takes it. */
  readonly size: string;
  /** `-o` of `qemu-img create`. */
  readonly options?: string;
  /** Of qemu-io. */
  readonly commands?: readonly string[];
}

/** A disk whose files are in memory. */
export interface TestChain {
  readonly chain: StoredChain;
  /** By their volumes. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Make the files of a disk, the bottom first. */
export async function makeChain(directory: string, layers: readonly TestLayer[], disk = 'vda'): Promise<TestChain> {
  const paths: string[] = [];
  for (const [index, { format, size, options, commands = [] }] of layers.entries()) {
    const path = join(directory, `${disk}.${index}`);
    const [below, belowFormat] = [paths.at(-1), layers[index - 1]?.format];
    const backing = below === undefined ? [] : ['-b', below, '-F', belowFormat ?? 'raw'];
    qemuImg('create', '-q', '-f', format, ...backing, ...(options === undefined ? [] : ['-o', options]), path, size);
    const said = commands.length === 0 ? '' : await qemuIo(path, format, ...commands);
    if (/error|fail|invalid/i.test(said)) throw new Error(`qemu-io said: ${said}`);
    paths.push(path);
  }
  return chainOf(
    paths,
    layers.map(({ format }) => format),
    disk,
  );
}

/** The disk of files that are there, the bottom first. */
export function chainOf(paths: readonly string[], formats: readonly TestLayer['format'][], disk = 'vda'): TestChain {
  const files = paths.map((path, index) => ({ volume: `${disk}.${index}`, path, format: formats[index] ?? 'qcow2' }));
  return {
    chain: { disk, files },
    files: new Map(files.map(({ volume, path }) => [volume, readFileSync(path)])),
  };
}

const PIECE_BYTES = 64 * 1024;

/** Put a file on a raw one that makes it what another one is, of the same size. */
export async function overlayTo(wanted: string, base: string, overlay: string): Promise<void> {
  qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', overlay);
  const [before, after] = [readFileSync(base), readFileSync(wanted)];
  const commands: string[] = [];
  for (let at = 0; at < after.length; at += PIECE_BYTES) {
    const piece = after.subarray(at, at + PIECE_BYTES);
    if (piece.equals(before.subarray(at, at + PIECE_BYTES))) continue;
    const file = `${overlay}.${at}`;
    writeFileSync(file, piece);
    commands.push(`write -s ${file} ${at} ${piece.length}`);
  }
  await qemuIo(overlay, 'qcow2', ...commands);
}

/** What QEMU reads of the disk. */
export function contentOf({ chain }: Pick<TestChain, 'chain'>): Buffer {
  const { path, format } = topOf({ chain });
  return imageContent(path, format);
}

/** The file at the top. */
export function topOf({ chain }: Pick<TestChain, 'chain'>): StoredFile {
  const top = chain.files.at(-1);
  if (top === undefined) throw new Error('a disk has files');
  return top;
}

/** What a shadow copy of such disks is made of, for a fake source. */
export function storedParts(...chains: readonly TestChain[]) {
  return {
    config: [{ name: CHAINS_FILE, data: encodeChains(chains.map(({ chain }) => chain)) }],
    volumes: chains.flatMap(({ files }) =>
      [...files].map(([name, bytes]) => ({ name, sizeBytes: bytes.length, seed: 0, bytes })),
    ),
  };
}

/** The disk as Umbra reads it. */
export async function openTestChain(
  { chain, files }: TestChain,
  wrap: (source: ByteSource) => ByteSource = (source) => source,
): Promise<ByteSource> {
  const sourceOf = (volume: string): ByteSource => wrap(memorySource(files.get(volume) ?? Buffer.alloc(0), volume));
  const { source } = await openChain(chain, sourceOf, imageCaches(new BlockCache(CACHE_BYTES)));
  return source;
}

/** What qemu-io writes at random in a disk of this size: patterns, zeros and, in qcow2, discards. */
export function randomWrites(random: Random, sizeBytes: number, isRaw: boolean): string[] {
  return Array.from({ length: random.between(4, 9) }, () => {
    const offset = 512 * random.below(sizeBytes / 512);
    const most = random.chance(0.3) ? sizeBytes - offset : Math.min(sizeBytes - offset, 100_000);
    const length = 512 * random.between(1, Math.max(1, Math.floor(most / 512)));
    const kind = random.below(4);
    if (kind === 0 && !isRaw) return `write -z ${random.chance(0.5) ? '-u ' : ''}${offset} ${length}`;
    return kind === 1 && !isRaw
      ? `discard ${offset} ${length}`
      : `write -P ${random.between(1, 255)} ${offset} ${length}`;
  });
}
