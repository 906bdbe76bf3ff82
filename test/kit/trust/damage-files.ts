import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../random.js';

/** How a file comes to harm. */
export type Damage = 'bit flip' | 'truncation' | 'deletion';

/** The files of a database that hold its data: tables and logs, not empty ones. */
export function dataFiles(store: string, database: 'objects' | 'meta'): string[] {
  const directory = join(store, database);
  return readdirSync(directory)
    .filter((name) => /\.(ldb|log)$/.test(name))
    .map((name) => join(directory, name))
    .filter((file) => statSync(file).size > 0);
}

/** Harm a file, somewhere. */
export function damageFile(file: string, damage: Damage, random: Random): void {
  if (damage === 'deletion') {
    rmSync(file);
  } else if (damage === 'truncation') {
    truncateSync(file, random.below(statSync(file).size));
  } else {
    const bytes = readFileSync(file);
    const at = random.below(bytes.length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
    writeFileSync(file, bytes);
  }
}

/** Flip a bit in the midst of `needle`, which the file holds. */
export function flipInside(file: string, needle: Buffer): void {
  const bytes = readFileSync(file);
  const found = bytes.indexOf(needle);
  if (found < 0) throw new Error(`${file} does not hold what is to be damaged`);
  const at = found + Math.floor(needle.length / 2);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(file, bytes);
}
