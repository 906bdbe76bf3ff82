import { basename, join } from 'node:path';
import t from 'tap';
import { describeDomain } from '../../../../agent/discovery/domain-xml.js';
import { LibvirtOverlayMachine } from '../../../../agent/trackers/differencing/libvirt-machine.js';
import { withImage } from '../../../../agent/trackers/differencing/start-image.js';
import { systemClock } from '../../../../src/common/clock.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { exactContents, imageContent, kept, libvirtOverlayTracker, overlaysIn } from '../../../kit/overlays.js';

const KIB = 1024;

/** The files that a domain's definition, or itself, begins with. */
async function imagesOf(machine: LibvirtMachine, ...flags: string[]): Promise<string[]> {
  const xml = await machine.daemon.virsh('dumpxml', machine.name, ...flags);
  return describeDomain(xml, 'it').disks.map(({ path }) => basename(path));
}

t.test('a domain that runs, is off, runs again, and is let go of', async (t) => {
  const machine = new LibvirtMachine(await privateLibvirt(t), 'over', ['raw', 'qcow2']);
  const { directory } = machine;
  await machine.define();
  await machine.start('running');
  const tracker = libvirtOverlayTracker(machine);
  await machine.write(0, 'write -P 1 0 1M');
  const first = await tracker.checkpoint(request('c1'));
  t.match(first, { consistency: 'crash', pauseMs: 0, config: [{ name: 'domain.xml' }, { name: 'live.xml' }] });
  t.match(first.volumes, [{ name: 'vda', format: 'raw', path: join(directory, 'vda.raw') }, { name: 'vdb' }]);
  let { contents } = await exactContents(t, directory, first);
  await kept(first);
  const overlays = (id: string): string[] => [`umbra-${id}-vda.qcow2`, `umbra-${id}-vdb.qcow2`];
  t.same(await imagesOf(machine), overlays('c1'));
  t.same(await imagesOf(machine, '--inactive'), overlays('c1'), 'it starts from there');
  const { address, uuid } = machine.trackerOptions();
  const opened = await LibvirtOverlayMachine.open({ address, uuid, clock: systemClock });
  t.match(await opened.run(), / \d+ \d+$/, 'its process is found');
  await opened.close();

  await machine.write(0, 'write -P 2 2M 64k');
  await machine.write(1, 'write -P 3 3M 128k');
  // libvirtd was killed between its status and its definition.
  const stale = withImage(
    await machine.daemon.virsh('dumpxml', machine.name, '--inactive'),
    join(directory, 'umbra-c1-vda.qcow2'),
    {
      path: join(directory, 'vda.raw'),
      format: 'raw',
    },
  );
  await machine.daemon.define(stale);
  t.same(await imagesOf(machine, '--inactive'), ['vda.raw', 'umbra-c1-vdb.qcow2']);
  await (await tracker.checkpoint(request('x1', 'c1'))).close();
  t.same(await imagesOf(machine, '--inactive'), overlays('x1'), 'it starts from what it runs on');
  await machine.write(1, 'discard 3M 64k');
  const second = await tracker.checkpoint(request('c2', 'c1'));
  const exact = await exactContents(t, directory, second, contents);
  t.same(exact.bytes, [64 * KIB, 128 * KIB]);
  await kept(second);
  t.same(overlaysIn(directory), overlays('c2'));
  ({ contents } = exact);

  await machine.write(0, 'write -P 4 4M 64k');
  await machine.stop();
  const off = await tracker.checkpoint(request('off', 'c2'));
  t.match(off, { consistency: 'offline', pauseMs: 0, notes: [] });
  const changed = await applyChanges(volumeOf(off, 'vda'), contents[0] ?? Buffer.alloc(0));
  t.equal(changed.bytes, 64 * KIB);
  t.ok(changed.content.equals(await contentOf(volumeOf(off, 'vda'))));
  await kept(off);
  const same = await tracker.checkpoint(request('same', 'off'));
  t.equal((await applyChanges(volumeOf(same, 'vda'), changed.content)).bytes, 0, 'nobody wrote to it');
  await kept(same);

  await machine.start();
  await machine.write(0, 'write -P 5 5M 64k');
  const third = await tracker.checkpoint(request('c3', 'same'));
  const [last = Buffer.alloc(0)] = (
    await exactContents(t, directory, third, [changed.content, contents[1] ?? Buffer.alloc(0)])
  ).contents;
  await kept(third);
  t.same(overlaysIn(directory), overlays('c3'));
  await (await tracker.checkpoint(request('x2', 'c3'))).close();
  t.equal(overlaysIn(directory).length, 4, 'one on the other');
  await machine.kill();
  await tracker.forget();
  t.same(overlaysIn(directory), [], 'let go of while it is off');
  t.same(await imagesOf(machine, '--inactive'), ['vda.raw', 'vdb.qcow2']);
  t.ok(imageContent(join(directory, 'vda.raw'), 'raw').equals(last));

  await machine.start();
  await kept(await tracker.checkpoint(request('c4', 'c3')));
  await machine.write(0, 'write -P 6 6M 64k');
  await tracker.forget();
  t.same(await imagesOf(machine), ['vda.raw', 'vdb.qcow2']);
  t.same(await imagesOf(machine, '--inactive'), ['vda.raw', 'vdb.qcow2']);
  t.same(overlaysIn(directory), []);
});

t.test('a definition with another image', (t) => {
  const xml = `<domain><disk type='file'>
  <driver name='qemu' type='qcow2'/><source file='/a&amp;b/umbra-c1-vda.qcow2' index='1'/><backingStore/>
</disk><disk type='file'><driver name='qemu' type='qcow2'/><source file='/other'/></disk></domain>`;
  const changed = withImage(xml, '/a&b/umbra-c1-vda.qcow2', { path: '/a&b/$1.raw', format: 'raw' });
  t.match(
    changed,
    /type='raw'\/><source file='\/a&amp;b\/\$1.raw' index='1'\/><\/disk>|type='raw'\/><source file='\/a&amp;b\/\$1.raw' index='1'\/>\n<\/disk>/,
  );
  t.match(changed, /type='qcow2'\/><source file='\/other'/);
  t.throws(() => withImage(xml, '/nobody', { path: '/x', format: 'raw' }), {
    code: 'TRACKER_FAILED',
    hint: /virsh edit/,
  });
  t.end();
});
