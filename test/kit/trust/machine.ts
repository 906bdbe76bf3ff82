import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../random.js';

const BLOCK_BYTES = 4096;
const LEAST_BYTES = 1024 * 1024;
const MOST_BYTES = 9 * 1024 * 1024;

/** What a shadow copy must hold: the digest of each volume's bytes, by the volume's name. */
export type Content = Readonly<Record<string, string>>;

/** The digest of a volume's bytes. */
export function contentDigest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface Volume {
  readonly name: string;
  readonly path: string;
  sizeBytes: number;
}

/** A machine that is off: two raw images, sparse files, that can be changed at random. */
export class TestMachine {
  readonly name: string;
  readonly #volumes: readonly Volume[];
  readonly #random: Random;
  #changes = 0;

  constructor(name: string, directory: string, random: Random) {
    this.name = name;
    this.#random = random;
    mkdirSync(directory, { recursive: true });
    this.#volumes = ['vda', 'vdb'].map((volume) => ({
      name: volume,
      path: join(directory, `${name}-${volume}.raw`),
      sizeBytes: random.between(LEAST_BYTES, MOST_BYTES),
    }));
    this.change();
  }

  get images(): string[] {
    return this.#volumes.map(({ path }) => path);
  }

  /** What the images hold now. */
  content(): Content {
    return Object.fromEntries(this.#volumes.map(({ name, path }) => [name, contentDigest(readFileSync(path))]));
  }

  /** Write here and there, sometimes zeros, sometimes what the other machine has too; no two states are the same. */
  change(): void {
    this.#changes++;
    for (const volume of this.#volumes) this.#changeVolume(volume);
  }

  #changeVolume(volume: Volume): void {
    const random = this.#random;
    if (random.chance(0.2)) volume.sizeBytes = random.between(LEAST_BYTES, MOST_BYTES);
    const fd = openSync(volume.path, 'a+');
    closeSync(fd);
    const file = openSync(volume.path, 'r+');
    try {
      ftruncateSync(file, volume.sizeBytes);
      for (let write = random.between(1, 6); write > 0; write--) this.#write(file, volume.sizeBytes);
      writeSync(file, `${this.name} ${this.#changes} ${random.below(2 ** 32)}`, random.below(LEAST_BYTES / 2));
    } finally {
      closeSync(file);
    }
  }

  #write(file: number, sizeBytes: number): void {
    const random = this.#random;
    const at = random.below(Math.ceil(sizeBytes / BLOCK_BYTES)) * BLOCK_BYTES;
    const length = Math.min(random.between(1, 100) * BLOCK_BYTES, sizeBytes - at);
    const bytes = random.chance(0.7) ? random.bytes(length) : Buffer.alloc(length, random.below(3));
    writeSync(file, bytes, 0, length, at);
  }
}
