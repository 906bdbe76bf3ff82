import t from 'tap';
import { warmUp } from '../../mount/warm-up.js';
import type { FindDevices } from '../../mount/files/guest-device.js';
import { FakeFilesystem } from '../kit/filesystems/fake-filesystem.js';
import { FakeSource } from '../kit/fake-source.js';
import { filesOf, fixedDevices, treeOf } from '../kit/tree.js';

/** Three machines; the newest shadow copy is that of `b`. */
function setUp(devices: FindDevices) {
  const source = new FakeSource();
  source.add('a', 1000);
  source.add('b', 3000);
  source.add('c', 2000);
  const files = filesOf(source, devices);
  const isOpen = async (machine: string): Promise<boolean> => {
    const before = source.opens;
    const [summary] = await source.shadowCopies(machine);
    if (summary !== undefined) await files.open(machine, summary);
    return source.opens === before;
  };
  return { source, files, isOpen };
}

/** A file system with one file. */
function filled(): FakeFilesystem {
  const filesystem = new FakeFilesystem();
  filesystem.add('f', {});
  return filesystem;
}

t.test('every file system of the newest shadow copy is looked into', async (t) => {
  const [first, last] = [filled(), filled()];
  const { source, files, isOpen } = setUp(fixedDevices({ vda1: first, vda2: 'swap space\n', vda3: last }));
  await warmUp({ tree: treeOf(source, undefined, files), source, scope: undefined });
  t.equal(first.calls.readDirectory, 1);
  t.equal(last.calls.readDirectory, 1);
  t.equal(source.opens, 1, 'and no other shadow copy');
  t.ok(await isOpen('b'));
});

t.test('of what the mount shows', async (t) => {
  const { source, files, isOpen } = setUp(fixedDevices({ vda1: filled() }));
  const scope = { machine: 'c' };
  await warmUp({ tree: treeOf(source, scope, files), source, scope });
  t.equal(source.opens, 1);
  t.ok(await isOpen('c'));
});

t.test('of many devices the first are', async (t) => {
  const filesystem = filled();
  const devices = Array.from({ length: 20 }, (_, index) => [`vd${index}`, filesystem] as const);
  const { source, files } = setUp(fixedDevices(Object.fromEntries(devices)));
  await warmUp({ tree: treeOf(source, undefined, files), source, scope: undefined });
  t.equal(filesystem.calls.readDirectory, 8);
});

t.test('an empty store', async (t) => {
  const source = new FakeSource();
  await warmUp({ tree: treeOf(source), source, scope: undefined });
  t.equal(source.opens, 0);
});
