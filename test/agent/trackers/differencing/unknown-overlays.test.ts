import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { describeDomain } from '../../../../agent/discovery/domain-xml.js';
import { list, record } from '../../../../agent/json-values.js';
import { DifferencingTracker } from '../../../../agent/trackers/differencing/differencing-tracker.js';
import { LibvirtOverlayMachine } from '../../../../agent/trackers/differencing/libvirt-machine.js';
import { LiveAsIsTracker } from '../../../../agent/trackers/differencing/live-as-is-tracker.js';
import type { Tracker } from '../../../../agent/trackers/tracker.js';
import { systemClock } from '../../../../src/common/clock.js';
import { UmbraError } from '../../../../src/common/errors.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { DISK_BYTES, LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { backedUp, exactContents, imageContent, kept, overlaysIn } from '../../../kit/overlays.js';
import { qemuImg, qemuIo } from '../../../kit/qemu.js';

const KIB = 1024;
const MIB = 1024 * KIB;

type Open = () => Promise<LibvirtOverlayMachine>;

function opener(machine: LibvirtMachine): Open {
  const { address, uuid } = machine.trackerOptions();
  return () => LibvirtOverlayMachine.open({ address, uuid, clock: systemClock });
}

/** A checkpoint during which libvirt is killed when QEMU has put overlays on the disks, and before it has noted that. */
async function forgotten(
  t: Test,
  machine: LibvirtMachine,
  trackerOf: (machine: LibvirtMachine, open: Open) => Tracker,
  id: string,
): Promise<void> {
  const { daemon, name } = machine;
  const paths = [daemon.stateDirectory, join(daemon.directory, 'config', 'qemu')].map((part) =>
    join(part, `${name}.xml`),
  );
  let noted: string[] = [];
  const open = async (): Promise<LibvirtOverlayMachine> => {
    const opened = await opener(machine)();
    const cover = opened.cover.bind(opened);
    opened.cover = async (overlays) => {
      noted = paths.map((path) => readFileSync(path, 'utf8'));
      await cover(overlays);
      throw new UmbraError('HYPERVISOR_UNREACHABLE', 'libvirt was killed');
    };
    return opened;
  };
  await t.rejects(trackerOf(machine, open).checkpoint(request(id)), { message: /libvirt was killed/ });
  await daemon.kill();
  for (const [index, path] of paths.entries()) writeFileSync(path, noted[index] ?? '');
  await daemon.start();
}

function changes(machine: LibvirtMachine, open = opener(machine)): DifferencingTracker {
  const { machine: name, stateDirectory } = machine.trackerOptions();
  return new DifferencingTracker({ machine: name, stateDirectory, open });
}

function files(machine: LibvirtMachine, open = opener(machine)): LiveAsIsTracker {
  const { machine: name, stateDirectory } = machine.trackerOptions();
  return new LiveAsIsTracker({ machine: name, stateDirectory, stateFile: join(stateDirectory, 'files.json'), open });
}

async function ask(machine: LibvirtMachine, execute: string, args: object = {}): Promise<unknown> {
  const command = JSON.stringify({ execute, arguments: args });
  return record(JSON.parse(await machine.daemon.virsh('qemu-monitor-command', machine.name, command)))['return'];
}

/** What QEMU's disks begin with, by its own word. */
async function topsOf(machine: LibvirtMachine): Promise<string[]> {
  const devices = list(await ask(machine, 'query-block')).map(record);
  return devices.map(({ inserted }) => basename(String(record(inserted)['file'])));
}

/** What a domain's definition begins with. */
async function startsOf(machine: LibvirtMachine): Promise<string[]> {
  const xml = await machine.daemon.virsh('dumpxml', machine.name, '--inactive');
  return describeDomain(xml, 'it').disks.map(({ path }) => basename(path));
}

/** Something else works on a disk until it is ended. */
async function mirror(machine: LibvirtMachine): Promise<() => Promise<void>> {
  const copy = join(machine.directory, 'copy.raw');
  qemuImg('create', '-q', '-f', 'raw', copy, String(DISK_BYTES));
  await ask(machine, 'blockdev-add', { driver: 'file', 'node-name': 'copy', filename: copy });
  const [disk] = list(await ask(machine, 'query-block')).map(record);
  const device = record(disk?.['inserted'])['node-name'];
  await ask(machine, 'blockdev-mirror', { 'job-id': 'theirs', device, target: 'copy', sync: 'full' });
  return async () => {
    await ask(machine, 'block-job-cancel', { device: 'theirs', force: true });
    while (list(await ask(machine, 'query-jobs')).length > 0);
    await ask(machine, 'blockdev-del', { 'node-name': 'copy' });
  };
}

const both = (id: string): string[] => [`umbra-${id}-vda.qcow2`, `umbra-${id}-vdb.qcow2`];

/** By `write -P 3 3M 64k`. */
function isFilled(t: Test, content: Buffer, byte: number): void {
  const written = content.subarray(byte * MIB, byte * MIB + 64 * KIB);
  t.ok(written.equals(Buffer.alloc(64 * KIB, byte)), `${byte} is there`);
}

t.test('libvirt was killed before it noted the overlays that QEMU has', async (t) => {
  const daemon = await privateLibvirt(t);

  await t.test('while the machine runs they are merged, and the next backup is exact', async (t) => {
    const { machine, tracker, contents } = await backedUp(t, daemon, 'runs');
    const { directory } = machine;
    await machine.write(0, 'write -P 2 2M 64k');
    await forgotten(t, machine, changes, 'c2');
    t.same(await topsOf(machine), both('c2'));
    t.same(await startsOf(machine), both('c1'), 'libvirt knows nothing of it');
    await machine.write(0, 'write -P 3 3M 64k');

    const endMirror = await mirror(machine);
    await t.rejects(tracker.checkpoint(request('c3', 'c1')), {
      code: 'TRACKER_UNAVAILABLE',
      message: /libvirt does not know whether runs writes to .*umbra-c2-vda.*theirs/,
      hint: /^Do not shut runs down, and delete no overlay: .*Wait until it has ended/,
    });
    t.same(overlaysIn(directory), [...both('c1'), ...both('c2')].sort(), 'even the one that nothing was written to');
    await endMirror();

    await tracker.recover();
    t.same(await topsOf(machine), both('c1'), 'as libvirt knows it');
    t.same(overlaysIn(directory), both('c1'));
    await machine.write(1, 'write -P 4 4M 64k');
    const third = await tracker.checkpoint(request('c3', 'c1'));
    const exact = await exactContents(t, directory, third, contents);
    t.same(exact.bytes, [128 * KIB, 64 * KIB]);
    await kept(third);
    t.same([await topsOf(machine), await startsOf(machine)], [both('c3'), both('c3')]);

    await forgotten(t, machine, files, 'f1');
    await machine.write(0, 'write -P 5 5M 64k');
    const asIs = files(machine);
    await asIs.recover();
    t.same(await topsOf(machine), both('c3'));
    await tracker.forget();
    await asIs.forget();
    t.same([await topsOf(machine), overlaysIn(directory)], [['vda.raw', 'vdb.qcow2'], []]);
    await machine.stop();
    const content = imageContent(join(directory, 'vda.raw'), 'raw');
    for (const byte of [2, 3, 5]) isFilled(t, content, byte);
  });

  await t.test('when it has ended before the agent came, it starts from them', async (t) => {
    const { machine, tracker, contents } = await backedUp(t, daemon, 'ended');
    const { directory } = machine;
    await forgotten(t, machine, changes, 'c2');
    await machine.write(0, 'write -P 2 2M 64k');
    await machine.write(0, 'flush');
    await machine.kill();
    t.same(await startsOf(machine), both('c1'));
    const off = await tracker.checkpoint(request('off', 'c1'));
    t.same(off.notes, []);
    const changed = await applyChanges(volumeOf(off, 'vda'), contents[0] ?? Buffer.alloc(0));
    t.equal(changed.bytes, 64 * KIB);
    isFilled(t, changed.content, 2);
    await kept(off);
    t.same(await startsOf(machine), ['umbra-c2-vda.qcow2', 'umbra-c1-vdb.qcow2']);
    t.same(overlaysIn(directory), [...both('c1'), 'umbra-c2-vda.qcow2'].sort(), 'nothing was written to the other one');
    await tracker.forget();
    t.same([await startsOf(machine), overlaysIn(directory)], [['vda.raw', 'vdb.qcow2'], []]);
    isFilled(t, imageContent(join(directory, 'vda.raw'), 'raw'), 2);
  });

  await t.test('overlays that it was started without stay as they are', async (t) => {
    const machine = new LibvirtMachine(daemon, 'older', ['raw']);
    await machine.define();
    await machine.start('running');
    const tracker = changes(machine);
    await forgotten(t, machine, changes, 'c1');
    await machine.write(0, 'write -P 2 2M 64k');
    await machine.write(0, 'flush');
    await machine.kill();
    const overlay = join(machine.directory, 'umbra-c1-vda.qcow2');
    const before = readFileSync(overlay);
    await qemuIo(join(machine.directory, 'vda.raw'), 'raw', 'write -P 3 3M 64k');
    const off = await tracker.checkpoint(request('off'));
    t.match(off.notes, [/umbra-c1-vda.qcow2 is no part of the machine any more/]);
    isFilled(t, await contentOf(volumeOf(off, 'vda')), 3);
    await kept(off);
    await tracker.forget();
    t.same(await startsOf(machine), ['vda.raw']);
    t.ok(readFileSync(overlay).equals(before));
  });
});
