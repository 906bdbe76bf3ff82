import { closeSync, ftruncateSync, openSync, readdirSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import t from 'tap';
import { setXattr } from '../../../../src/system/xattrs.js';
import { extentProblems, allExtents } from '../../../kit/filesystems/check-extents.js';
import { directoryManifest, filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { makeNtfs, mountNtfs3g, openNtfs } from '../../../kit/filesystems/ntfs-image.js';
import { fileSource } from '../../../kit/filesystems/sources.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const COMPRESSED = Buffer.of(0, 0, 8, 0);

/** Part of a program that is large and the same for a while: compression finds some in it, but not all. */
function program(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const fd = openSync('/bin/bash', 'r');
  readSync(fd, bytes, 0, length, 100_000);
  closeSync(fd);
  return bytes;
}

for (const clusterBytes of [512, 4096]) {
  t.test(`files that ntfs-3g compressed, clusters of ${clusterBytes} bytes`, async (t) => {
    const random = new Random(testSeed(t));
    const image = join(temporaryDirectory(t), 'ntfs.img');
    makeNtfs(image, { clusterBytes });
    const mounted = mountNtfs3g(t, image, ['compression']);
    const folder = join(mounted.directory, 'packed');
    mkdirSync(folder);
    setXattr(folder, 'system.ntfs_attrib_be', COMPRESSED);
    writeFileSync(join(folder, 'program'), program(500_001));
    writeFileSync(join(folder, 'zeros'), Buffer.alloc(300_000));
    writeFileSync(join(folder, 'random'), random.bytes(200_003));
    writeFileSync(join(folder, 'small'), 'small');
    writeFileSync(join(folder, 'runs'), Buffer.alloc(150_000, 'abcabcabcd'));
    const fd = openSync(join(folder, 'mixed'), 'wx');
    for (const at of [0, 200_000, 1_000_000])
      writeSync(fd, Buffer.concat([program(70_000), random.bytes(70_000)]), 0, 140_000, at);
    ftruncateSync(fd, 2_000_000);
    closeSync(fd);
    mounted.unmount();
    const { directory } = mountNtfs3g(t, image, ['ro']);
    const filesystem = await openNtfs(t, image);
    const expected = directoryManifest(directory);
    sameManifest(t, await filesystemManifest(filesystem), expected, { ignore: ['permissions', 'xattrs'] });
    const found = await filesystem.lookup(filesystem.root, 'PACKED');
    let encoded = 0;
    for (const name of readdirSync(join(directory, 'packed'))) {
      const item = await filesystem.lookup(found?.id ?? 0, name);
      t.same(await extentProblems(filesystem, fileSource(t, image), item?.id ?? 0), [], `extents of ${name}`);
      const extents = await allExtents(filesystem, item?.id ?? 0);
      encoded += extents.filter((extent) => extent.kind === 'stored' && extent.encoding === 'lznt1').length;
    }
    t.ok(encoded > 10, 'there are compressed units');
  });
}
