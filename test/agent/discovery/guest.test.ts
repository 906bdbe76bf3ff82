import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { discoverGuest } from '../../../agent/discovery/guest.js';
import { GuestNames } from '../../../agent/discovery/guest-names.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { loopDevice } from '../../kit/loop-device.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** A disk in a tree like that of the kernel. */
function disk(sysfs: string, name: string, files: Readonly<Record<string, string>>, bus = 'pci0000:00/0'): void {
  const real = join(sysfs, 'devices', bus, 'block', name);
  const usual = { size: '2048', removable: '0', ro: '0', hidden: '0' };
  for (const [file, text] of Object.entries({ ...usual, ...files })) put(join(real, file), `${text}\n`);
  mkdirSync(join(sysfs, 'block'), { recursive: true });
  symlinkSync(real, join(sysfs, 'block', name));
}

async function machineOf(
  t: Test,
  devices: 'auto' | readonly string[],
  more: { readonly sysfs?: string; readonly namesFile?: string } = {},
): Promise<DiscoveredMachine> {
  const namesFile = join(temporaryDirectory(t), 'names');
  const { machines, notes } = await discoverGuest({ devices, namesFile, ...more });
  t.strictSame(notes, []);
  const [machine] = machines;
  if (machine === undefined || machines.length !== 1) throw new Error('not one machine');
  t.match(machine, { name: hostname(), source: 'guest', state: 'running' });
  return machine;
}

t.test('all disks of the hardware, and nothing that is made of them', async (t) => {
  const sysfs = temporaryDirectory(t);
  disk(sysfs, 'qqa', {});
  disk(sysfs, 'cciss!c9d9', {});
  disk(sysfs, 'qqb', { removable: '1' });
  disk(sysfs, 'qqc', { ro: '1' });
  disk(sysfs, 'qqd', { size: '0' });
  disk(sysfs, 'loop77', {}, 'virtual');
  disk(sysfs, 'nvme9n9', {}, 'virtual/nvme-subsystem');
  disk(sysfs, 'nvme9c9n9', { hidden: '1' }, 'virtual/nvme-subsystem');
  symlinkSync('nowhere', join(sysfs, 'block', 'gone'));
  // Those that it looks at are not there.
  const { skipped, volumes } = await machineOf(t, 'auto', { sysfs });
  t.strictSame(volumes, []);
  t.strictSame(skipped.map(({ name }) => name).sort(), ['c9d9', 'nvme9n9', 'qqa']);
  t.match(skipped, [{ reason: /ENOENT/ }, {}, {}]);
  const own = await machineOf(t, 'auto');
  t.ok(own.volumes.every(({ sizeBytes = 0 }) => sizeBytes > 0));
});

t.test('named devices: real ones, ones that are gone, ones that are none', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'disk');
  writeFileSync(file, Buffer.alloc(2 * MIB));
  const device = loopDevice(t, file);
  const link = join(directory, 'by-id');
  symlinkSync(device, link);
  const empty = join(directory, 'empty');
  execFileSync('mknod', [empty, 'b', '240', '77']);
  const { volumes, skipped } = await machineOf(t, [link, device, file, '/dev/nothing', empty]);
  t.match(volumes, [{ name: device.replace('/dev/', ''), path: link, format: 'raw', sizeBytes: 2 * MIB, backing: [] }]);
  t.match(skipped, [
    { reason: `it is the same disk as ${link}` },
    { name: 'disk', reason: /no block device/ },
    { name: 'nothing', reason: /ENOENT/ },
    { name: 'empty', reason: /no medium/ },
  ]);
});

t.test('who a disk is, and who the machine is', async (t) => {
  const directory = temporaryDirectory(t);
  const sysfs = join(directory, 'sys');
  const devices = ['a', 'b', 'c'].map((name) => {
    const file = join(directory, name);
    writeFileSync(file, Buffer.alloc(MIB));
    const device = loopDevice(t, file);
    const { rdev } = statSync(device);
    const own = join(sysfs, 'dev', 'block', `${rdev >> 8}:${rdev & 255}`);
    put(join(own, 'size'), '2048\n');
    return { device, own };
  });
  const [one, two, three] = devices;
  if (one === undefined || two === undefined || three === undefined) throw new Error('no devices');
  put(join(one.own, 'device/vpd_pg80'), '\0\x80\0\x04QM01');
  put(join(two.own, 'device/vpd_pg80'), '\0\x80\0\x04QM01');
  put(join(three.own, 'dm/name'), 'vg-lv\n');
  put(join(three.own, 'dm/uuid'), 'LVM-1\n');
  put(join(three.own, 'partition'), '3\n');
  put(join(three.own, '..', 'serial'), 'S1\n');
  put(join(sysfs, 'class/dmi/id/product_uuid'), 'AABBCCDD-0001-0002-0003-000000000004\n');
  const namesFile = join(directory, 'names');
  const paths = devices.map(({ device }) => device);
  const machine = await machineOf(t, paths, { sysfs, namesFile });
  t.equal(machine.uuid, 'aabbccdd-0001-0002-0003-000000000004');
  t.match(machine.skipped, [{ reason: `it is the same disk as ${one.device}` }]);
  t.strictSame(
    machine.volumes.map(({ name }) => name),
    [one.device.replace('/dev/', ''), 'vg-lv'],
  );
  t.strictSame(Object.keys(JSON.parse(readFileSync(namesFile, 'utf8')) as object), [
    'device/vpd_pg80 QM01',
    'serial S1 3',
  ]);
  put(join(sysfs, 'class/dmi/id/product_uuid'), 'ffffffff-ffff-ffff-ffff-ffffffffffff\n');
  t.not((await machineOf(t, paths, { sysfs, namesFile })).uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
});

t.test('names stay with their disks', async (t) => {
  const file = join(temporaryDirectory(t), 'names');
  const see = async (...disks: readonly (readonly [string, string?])[]): Promise<string[]> => {
    const names = await GuestNames.read(file);
    const present = disks.map(([kernelName, identity]) => ({ kernelName, identity }));
    const given = present.map((device) => names.nameOf(device, present));
    await names.keep();
    return given;
  };
  t.strictSame(await see(['sda', 'one'], ['sdb', 'two'], ['vdc']), ['sda', 'sdb', 'vdc']);
  t.strictSame(await see(['sdb', 'one'], ['sda', 'two'], ['vdc']), ['sda', 'sdb', 'vdc'], 'they changed places');
  t.strictSame(await see(['sda', 'three'], ['sdb', 'two']), ['sda', 'sdb'], 'a name whose disk is gone is free');
  t.strictSame(await see(['sda', 'three'], ['sdc', 'one']), ['sda', 'sdc'], 'and stays given');
  t.strictSame(await see(['sdc', 'four'], ['sda', 'one']), ['sdc-2', 'sdc'], 'one that is not free');
  t.strictSame(await see(['!!!'], ['a b', 'x']), ['disk', 'a-b'], 'names that can be none');
  const before = statSync(file).mtimeMs;
  await see(['a b', 'x']);
  t.equal(statSync(file).mtimeMs, before, 'what stays is not written again');
  for (const nonsense of ['{', '[]', '{"one": "../x", "two": 7}']) {
    writeFileSync(file, nonsense);
    t.strictSame(await see(['sdq', 'one'], ['sdr', 'two']), ['sdq', 'sdr'], nonsense);
  }
});
