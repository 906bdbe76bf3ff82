import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { FileId, Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { bash, btrfsImage, emptyBtrfs, kernelManifest, MIB, readBtrfs } from '../../../kit/filesystems/btrfs-image.js';
import { loopMount } from '../../../kit/filesystems/loop-mount.js';
import { directoryManifest, filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { loopDevice } from '../../../kit/loop-device.js';

async function idOf(filesystem: Filesystem, path: string): Promise<FileId> {
  let id = filesystem.root;
  for (const name of path.split('/')) id = (await filesystem.lookup(id, name))?.id ?? id;
  return id;
}

t.test('subvolumes and snapshots are directories of the top level', async (t) => {
  const image = btrfsImage(t, {
    fill: `
      btrfs subvolume create @ > /dev/null
      mkdir -p @/etc/deep @home
      printf one > @/etc/file
      btrfs subvolume create first > /dev/null; btrfs subvolume create second > /dev/null
      for one in first second; do printf same > $one/file; ln $one/file $one/link; done
      btrfs subvolume create @/etc/deep/inner > /dev/null
      printf two > @/etc/deep/inner/file
      btrfs subvolume snapshot -r @ snapshot-1 > /dev/null
      printf changed > @/etc/file
      btrfs subvolume snapshot @ snapshot-2 > /dev/null
      btrfs subvolume snapshot @ gone > /dev/null
      btrfs subvolume delete -c gone > /dev/null
      mv @/etc/deep/inner @home/moved
      printf three > @/etc/new
      btrfs subvolume set-default @home/moved`,
  });
  const filesystem = await readBtrfs(t, image);
  const expected = kernelManifest(t, image);
  // The kernel makes the times of the empty directory at a snapshot's subvolume up each time.
  const placeholder = ['/snapshot-1/etc/deep/inner', '/snapshot-2/etc/deep/inner'];
  sameManifest(t, await filesystemManifest(filesystem), expected, { without: placeholder });
  for (const path of placeholder) {
    const { mtimeNs: _m, ctimeNs: _c, ...entry } = expected.get(path) ?? {};
    const id = await idOf(filesystem, path.slice(1));
    t.match(await filesystem.stat(id), Object.fromEntries(Object.entries(entry).filter(([key]) => key !== 'xattrs')));
    t.equal(await filesystem.lookup(id, 'file'), undefined);
    for await (const batch of filesystem.readDirectory(id)) t.same(batch, []);
    t.same(await filesystem.xattrs(id), new Map());
  }
  t.match(filesystem.problems, [/the subvolume \/@home\/moved by default/]);
});

t.test('the log of more than one subvolume is replayed', async (t) => {
  const image = btrfsImage(t, {
    fill: 'btrfs subvolume create one > /dev/null; btrfs subvolume create two > /dev/null',
  });
  const mount = loopMount(t, image, ['commit=300']);
  const script = 'for name in one two; do seq 1 30000 > $name/file; sync $name/file; done; seq 1 20 > top; sync top';
  bash(script, mount.directory);
  const dirty = `${image}.dirty`;
  execFileSync('cp', ['--sparse=always', image, dirty]);
  mount.unmount();
  const filesystem = await readBtrfs(t, dirty);
  t.same(filesystem.journal, { state: 'replayed' });
  const actual = await filesystemManifest(filesystem);
  t.equal(actual.get('/two/file')?.sizeBytes, 168_894);
  const replayed = loopMount(t, dirty, ['noatime']);
  sameManifest(t, actual, directoryManifest(replayed.directory));
});

t.test('a file system that grew out of a seed', async (t) => {
  const seed = btrfsImage(t, { sizeBytes: 200 * MIB, fill: 'seq 1 300000 > old; mkdir dir; printf x > dir/file' });
  execFileSync('btrfstune', ['-f', '-S', '1', seed], { stdio: 'ignore' });
  const grown = emptyBtrfs(t, { sizeBytes: 200 * MIB });
  const devices = [seed, grown].map((image) => loopDevice(t, image));
  const [seedDevice = '', device = ''] = devices;
  const directory = mkdtempSync(join(tmpdir(), 'umbra-loop-'));
  try {
    execFileSync('mount', [seedDevice, directory]);
    execFileSync('btrfs', ['device', 'add', '-f', device, directory], { stdio: 'ignore' });
    execFileSync('umount', [directory]);
    execFileSync('mount', [device, directory]);
    bash('seq 1 100000 > new; printf y > dir/file', directory);
    execFileSync('umount', [directory]);
    execFileSync('mount', ['-o', 'ro,noatime', device, directory]);
    const expected = directoryManifest(directory);
    execFileSync('umount', [directory]);
    const filesystem = await readBtrfs(t, grown, seed);
    sameManifest(t, await filesystemManifest(filesystem), expected);
    t.same(filesystem.problems, []);
    t.match((await readBtrfs(t, grown)).problems, [/the device 1 is missing/]);
    const old = await filesystemManifest(await readBtrfs(t, seed, grown));
    t.ok(old.has('/old') && !old.has('/new'));
  } finally {
    for (const each of devices) execFileSync('btrfs', ['device', 'scan', '--forget', each], { stdio: 'ignore' });
    rmdirSync(directory);
  }
});
