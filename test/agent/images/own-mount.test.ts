import t from 'tap';
import { coveringMount, refuseOwnMount } from '../../../agent/images/own-mount.js';
import type { MountEntry } from '../../../src/system/mounts.js';
import { temporaryDirectory } from '../../kit/temporary.js';

function mount(mountPoint: string, type: string): MountEntry {
  return { id: 1, device: '0:1', root: '/', mountPoint, type, source: 'x', superOptions: [] };
}

t.test('the mount that covers a path', async (t) => {
  const mounts = [mount('/', 'ext4'), mount('/m', 'xfs'), mount('/m', 'fuse.umbra'), mount('/m/n', 'tmpfs')];
  const typeOf = (path: string): string | undefined => coveringMount(mounts, path)?.type;
  t.equal(typeOf('/a'), 'ext4');
  t.equal(typeOf('/m'), 'fuse.umbra');
  t.equal(typeOf('/m/a/b'), 'fuse.umbra');
  t.equal(typeOf('/mm/a'), 'ext4');
  t.equal(typeOf('/m/n/a'), 'tmpfs');
  t.equal(coveringMount([], '/a'), undefined);
});

t.test('an ordinary file is not refused', async (t) => {
  await t.resolves(refuseOwnMount('disk', `${temporaryDirectory(t)}/disk`));
});
