import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeGuest } from '../../test/kit/guest.js';

// Makes the guest of scripts/demo-vm: main.js SCRIPTS INITRD. Prints the path of its kernel.

/** Of busybox. */
const PROGRAMS = 'date dd find fsfreeze grep kill rm sort tail tr usleep xargs'.split(' ');

const [scripts, initrd] = process.argv.slice(2);
if (scripts === undefined || initrd === undefined) throw new Error('usage: main.js SCRIPTS INITRD');
const places = new Map([
  ['init', 'init'],
  // QEMU's guest agent looks for it there.
  ['shutdown', 'sbin/shutdown'],
]);
const files: Record<string, Buffer> = {};
for (const name of readdirSync(scripts)) {
  files[places.get(name) ?? `bin/${name}`] = readFileSync(join(scripts, name));
}
const { kernel } = await makeGuest({ initrd, files, programs: PROGRAMS });
process.stdout.write(`${kernel}\n`);
