import t from 'tap';
import {
  bash,
  btrfsImage,
  collidingNames,
  EVERYTHING,
  kernelManifest,
  readBtrfs,
} from '../../../kit/filesystems/btrfs-image.js';
import { filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';

t.test('a file system with everything is as the kernel shows it', async (t) => {
  const names = collidingNames('collision-');
  const attributes = collidingNames('user.collision-');
  const fill = `${EVERYTHING}
    mkdir collisions
    for name in ${names.join(' ')}; do printf $name > collisions/$name; done
    for name in ${attributes.join(' ')}; do setfattr -n $name -v $name collisions; done`;
  const image = btrfsImage(t, { mkfs: ['-L', 'a label'], fill });
  const filesystem = await readBtrfs(t, image);
  sameManifest(t, await filesystemManifest(filesystem), kernelManifest(t, image));
  t.equal(filesystem.label, 'a label');
  t.equal(filesystem.uuid, bash(`blkid -p -o value -s UUID ${image}`, '/').trim());
  t.same(filesystem.journal, { state: 'clean' });
  t.same(filesystem.problems, []);
});
