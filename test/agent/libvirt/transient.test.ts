import { basename } from 'node:path';
import t from 'tap';
import { describeDomain } from '../../../agent/discovery/domain-xml.js';
import { applyChanges, contentOf, request, volumeOf } from '../../kit/checkpoints.js';
import { privateLibvirt } from '../../kit/libvirt.js';
import { LibvirtMachine } from '../../kit/libvirt-machine.js';
import { kept, libvirtOverlayTracker, overlaysIn } from '../../kit/overlays.js';

const KIB = 1024;

t.test('domains that libvirt forgets when they end', async (t) => {
  const daemon = await privateLibvirt(t);

  await t.test('are followed by bitmaps', async (t) => {
    const machine = new LibvirtMachine(daemon, 'bitmaps', ['qcow2']);
    await machine.create();
    const tracker = machine.tracker();
    await machine.write(0, 'write -P 1 0 1M');
    const first = await tracker.checkpoint(request('c1'));
    const content = await contentOf(volumeOf(first, 'vda'));
    await kept(first);
    await machine.write(0, 'write -P 2 2M 64k');
    const second = await tracker.checkpoint(request('c2', 'c1'));
    const changed = await applyChanges(volumeOf(second, 'vda'), content);
    t.equal(changed.bytes, 64 * KIB);
    t.ok(changed.content.equals(await contentOf(volumeOf(second, 'vda'))));
    await kept(second);
    await machine.stop();
    await t.rejects(tracker.checkpoint(request('c3', 'c2')), { code: 'NOT_FOUND' }, 'it is gone');
    // Whoever starts it again has no checkpoints of libvirt's; bitmaps may be in its images.
    await machine.create();
    await machine.write(0, 'write -P 3 3M 64k');
    const third = await tracker.checkpoint(request('c3', 'c2'));
    t.notOk(volumeOf(third, 'vda').changesKnown, third.notes.join('; '));
    await kept(third);
    await machine.write(0, 'write -P 4 4M 64k');
    const fourth = await tracker.checkpoint(request('c4', 'c3'));
    t.ok(volumeOf(fourth, 'vda').changesKnown, fourth.notes.join('; '));
    await kept(fourth);
    await tracker.forget();
    t.same(await machine.left(), []);
  });

  await t.test('get no overlays, and are let go of if they had a definition before', async (t) => {
    const machine = new LibvirtMachine(daemon, 'overlays', ['raw']);
    const { directory, name } = machine;
    const images = async (): Promise<string[]> => {
      const { disks } = describeDomain(await daemon.virsh('dumpxml', name), 'it');
      return disks.map(({ path }) => basename(path));
    };
    const refused = {
      code: 'TRACKER_UNAVAILABLE',
      message: /libvirt forgets overlays when it ends/,
      hint: /virsh define/,
    };
    const tracker = libvirtOverlayTracker(machine);
    await machine.create();
    await t.rejects(tracker.checkpoint(request('c1')), refused);
    t.same(overlaysIn(directory), []);
    await machine.stop();
    await machine.define();
    await machine.start();
    await kept(await tracker.checkpoint(request('c1')));
    await machine.write(0, 'write -P 1 1M 64k');
    await daemon.virsh('undefine', name);
    await t.rejects(tracker.checkpoint(request('c2', 'c1')), refused);
    t.same(await images(), ['umbra-c1-vda.qcow2']);
    await tracker.forget();
    t.same(await images(), ['vda.raw']);
    t.same(overlaysIn(directory), []);
  });
});
