import {
  appendFileSync,
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { run } from './process.js';
import type { SeededRandom } from './random.js';
import type { Scale } from './scale.js';

const PAGE_BYTES = 8192;
const DATABASE = 'var/lib/app/data.db';
const LOG = 'var/log/app.log';
const SPOOL = 'var/spool/app';

/** Puts into a root what the day's work will change: a database, a log, and spool files. */
export function prepareForWork(root: string, scale: Scale, random: SeededRandom): void {
  for (const file of [DATABASE, LOG]) mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  const fd = openSync(path.join(root, DATABASE), 'w');
  for (let at = 0; at < scale.databaseBytes; at += PAGE_BYTES) writeSync(fd, page(random), 0, PAGE_BYTES, at);
  closeSync(fd);
  writeFileSync(path.join(root, LOG), random.logLines(scale.logBytes));
  mkdirSync(path.join(root, SPOOL), { recursive: true });
  for (let index = 0; index < 100; index += 1) spool(root, `old-${index}`, random);
}

/** A day's work in the mounted filesystem of A; `additions` holds .deb files to install, or files to copy. */
export async function doWork(root: string, additions: string, scale: Scale, random: SeededRandom): Promise<void> {
  await installAdditions(root, additions);
  appendFileSync(path.join(root, LOG), random.logLines(scale.appendedBytes));
  rewritePages(path.join(root, DATABASE), scale, random);
  for (let index = 0; index < 100; index += 2) rmSync(path.join(root, SPOOL, `old-${index}`));
  for (let index = 0; index < 50; index += 1) spool(root, `new-${index}`, random);
}

async function installAdditions(root: string, additions: string): Promise<void> {
  const debs = readdirSync(additions).filter((name) => name.endsWith('.deb'));
  if (debs.length === 0) {
    cpSync(additions, path.join(root, 'opt'), { recursive: true });
    return;
  }
  const archives = 'var/cache/apt/archives';
  mkdirSync(path.join(root, archives), { recursive: true });
  for (const deb of debs) cpSync(path.join(additions, deb), path.join(root, archives, deb));
  const files = debs.map((deb) => path.join('/', archives, deb));
  // A chroot has no running system: nothing may be started in it.
  const env = { DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1', RUNLEVEL: '1' };
  await run('chroot', [root, 'dpkg', '--force-unsafe-io', '--install', ...files], { env });
}

function rewritePages(file: string, scale: Scale, random: SeededRandom): void {
  const fd = openSync(file, 'r+');
  const pages = scale.databaseBytes / PAGE_BYTES;
  for (let count = 0; count < scale.changedPages; count += 1) {
    writeSync(fd, page(random), 0, PAGE_BYTES, random.below(pages) * PAGE_BYTES);
  }
  closeSync(fd);
}

/** Half rows of text and half bytes that do not compress, as in many a database. */
function page(random: SeededRandom): Buffer {
  const text = Buffer.from(random.logLines(PAGE_BYTES / 2)).subarray(0, PAGE_BYTES / 2);
  return Buffer.concat([text, random.bytes(PAGE_BYTES / 2)]);
}

function spool(root: string, name: string, random: SeededRandom): void {
  writeFileSync(path.join(root, SPOOL, name), random.logLines(1000 + random.below(60_000)));
}
