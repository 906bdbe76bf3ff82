import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { describeDomain } from '../../../../agent/discovery/domain-xml.js';
import { DifferencingTracker } from '../../../../agent/trackers/differencing/differencing-tracker.js';
import { LibvirtOverlayMachine } from '../../../../agent/trackers/differencing/libvirt-machine.js';
import type { Checkpoint } from '../../../../agent/trackers/tracker.js';
import { systemClock } from '../../../../src/common/clock.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { DISK_BYTES as DOMAIN_BYTES, LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { DISK_BYTES, makeDisks } from '../../../kit/machine-lab.js';
import { chainsOf, jobsIn, kept, overlaysIn, overlayTracker } from '../../../kit/overlays.js';
import { startMachine, writeDisk } from '../../../kit/qemu-machine.js';
import { smallDisk } from '../../../kit/small-disk.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MIB = 1024 * 1024;
const IMAGES_BYTES = 32 * MIB;
/** Enough for an overlay into which little is written, and not for what is to be merged. */
const LITTLE_BYTES = 2 * MIB;

/** The only volume holds these bytes, by itself and by what has changed since. @returns how many bytes have */
async function exact(t: Test, checkpoint: Checkpoint, wanted: Buffer, before: Buffer): Promise<number> {
  const volume = volumeOf(checkpoint, 'vda');
  t.ok((await contentOf(volume)).equals(wanted), `${checkpoint.id} is exact`);
  const { content, bytes } = await applyChanges(volume, before);
  t.ok(content.equals(wanted), `${checkpoint.id} is exact by its changes`);
  return bytes;
}

t.test('a disk that is full while an overlay is merged, and while one is made', async (t) => {
  const disk = smallDisk(t, IMAGES_BYTES);
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks: makeDisks(disk.directory, ['raw']) });
  const tracker = overlayTracker(directory, qmpSocket);
  await kept(await tracker.checkpoint(request('c1')));
  const empty = Buffer.alloc(DISK_BYTES);
  await writeDisk(monitor, 'vda', 'write -P 1 1M 8M');
  const first = Buffer.from(empty).fill(1, MIB, 9 * MIB);

  const full = await tracker.checkpoint(request('c2', 'c1'));
  t.equal(await exact(t, full, first, empty), 8 * MIB);
  disk.fill(LITTLE_BYTES);
  await t.rejects(full.acknowledge(), {
    code: 'TRACKER_FAILED',
    message: /umbra-c1-vda\.qcow2 of vda could not be merged into \S+vda\.raw: No space left on device$/,
    hint: /the disk of the images has room/,
  });
  await full.close();
  t.match(await monitor.execute('query-status'), { status: 'running' });
  t.same(await jobsIn(monitor), []);
  t.same(await chainsOf(monitor), [['umbra-c2-vda.qcow2', 'umbra-c1-vda.qcow2', 'vda.raw']]);

  // What was half written has taken all there was.
  disk.release();
  disk.fill(LITTLE_BYTES);
  await writeDisk(monitor, 'vda', 'write -P 2 12M 64k');
  const second = Buffer.from(first).fill(2, 12 * MIB, 12 * MIB + 65_536);
  const next = await tracker.checkpoint(request('c3', 'c2'));
  t.equal(await exact(t, next, second, first), 65_536);
  disk.release();
  await kept(next);
  t.same(await chainsOf(monitor), [['umbra-c3-vda.qcow2', 'vda.raw']]);
  t.same(overlaysIn(disk.directory), ['umbra-c3-vda.qcow2']);

  disk.fill(0);
  const message = /^the disk of \S+umbra-c4-vda\.qcow2 is full: /;
  await t.rejects(tracker.checkpoint(request('c4', 'c3')), { code: 'IMAGE_FAILED', message, hint: /^Make room/ });
  disk.release();
  const last = await tracker.checkpoint(request('c5', 'c3'));
  t.same(
    last.notes.filter((note) => note.includes('umbra-')),
    [],
  );
  t.equal(await exact(t, last, second, second), 0);
  await kept(last);
  t.same(overlaysIn(disk.directory), ['umbra-c5-vda.qcow2']);
});

t.test('a disk that is full while a domain gets its own image back', async (t) => {
  // Before libvirt, which sees no mount that comes later.
  const disk = smallDisk(t, IMAGES_BYTES);
  const machine = new LibvirtMachine(await privateLibvirt(t), 'full', []);
  machine.addDisk('raw', disk.directory);
  await machine.define();
  await machine.start();
  const { machine: name, address, uuid, stateDirectory } = machine.trackerOptions();
  const open = (): Promise<LibvirtOverlayMachine> => LibvirtOverlayMachine.open({ address, uuid, clock: systemClock });
  const tracker = new DifferencingTracker({ machine: name, stateDirectory, open });
  const startsFrom = async (): Promise<string[]> => {
    const xml = await machine.daemon.virsh('dumpxml', name, '--inactive');
    return describeDomain(xml, 'it').disks.map(({ path }) => basename(path));
  };
  await kept(await tracker.checkpoint(request('c1')));
  await machine.write(0, 'write -P 1 1M 6M');
  await machine.write(0, 'flush');

  disk.fill(LITTLE_BYTES);
  await t.rejects(tracker.forget(), {
    code: 'TRACKER_FAILED',
    message: /umbra-c1-vda\.qcow2 of vda could not be merged/,
  });
  t.same(await startsFrom(), ['umbra-c1-vda.qcow2']);
  await machine.kill();
  await t.rejects(tracker.forget(), { code: 'IMAGE_FAILED', message: /^the disk of \S+ is full: / });
  t.same(await startsFrom(), ['umbra-c1-vda.qcow2']);
  t.same(overlaysIn(disk.directory), ['umbra-c1-vda.qcow2']);
  t.ok(await tracker.isInUse());

  disk.release();
  await tracker.forget();
  t.same(await startsFrom(), ['vda.raw']);
  t.same(overlaysIn(disk.directory), []);
  t.ok(readFileSync(join(disk.directory, 'vda.raw')).equals(Buffer.alloc(DOMAIN_BYTES).fill(1, MIB, 7 * MIB)));
  t.notOk(await tracker.isInUse());
});
