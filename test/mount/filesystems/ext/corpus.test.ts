import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { extDriver } from '../../../../mount/filesystems/ext/ext.js';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { isUmbraError } from '../../../../src/common/errors.js';
import { corpusImage, corpusTest } from '../../../kit/filesystems/corpus.js';
import { openExt } from '../../../kit/filesystems/ext-images.js';
import { sameAsE2fsck } from '../../../kit/filesystems/ext-history.js';
import { exercise } from '../../../kit/filesystems/fuzz.js';
import { loopMount } from '../../../kit/filesystems/loop-mount.js';
import { directoryManifest, filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

async function open(source: ByteSource): Promise<Filesystem> {
  return await extDriver.open({ source, cache: new BlockCache(4 * 1024 * 1024) });
}

corpusTest(t, "e2fsprogs' odd and corrupt images crash nothing", async (t, corpus) => {
  const tests = join(corpus, 'e2fsprogs/tests');
  let images = 0;
  let opened = 0;
  for (const name of readdirSync(tests)) {
    for (const file of readdirSync(join(tests, name))) {
      if (!/^image\.(gz|bz2)$/.test(file)) continue;
      images++;
      const source = memorySource(corpusImage(corpus, join('e2fsprogs/tests', name, file)));
      t.same(await exercise(source, open), [], name);
      if (await opens(source)) opened++;
    }
  }
  t.ok(images > 100, `${images} images`);
  t.ok(opened > images * 0.9, `${opened} of them can be opened`);
});

async function opens(source: ByteSource): Promise<boolean> {
  try {
    await open(source);
    return true;
  } catch (error) {
    if (isUmbraError(error)) return false;
    throw error;
  }
}

corpusTest(t, "ext4-view-rs' images are shown as the kernel shows them", async (t, corpus) => {
  const directory = temporaryDirectory(t);
  for (const name of ['test_disk1', 'test_disk_ext2', 'test_disk_ext3']) {
    const image = join(directory, `${name}.bin`);
    writeFileSync(image, corpusImage(corpus, `ext4-view-rs/test_data/${name}.bin.zst`));
    await t.test(name, async (t) => {
      await sameWithEncrypted(t, image);
    });
  }
});

/** Encrypted files have no content that can be compared; their names are those that the kernel shows without a key. */
async function sameWithEncrypted(t: Test, image: string): Promise<void> {
  const [hidden, unreadable]: [string[], string[]] = [[], []];
  const mounted = loopMount(t, image, ['ro'], 'ext4');
  const expected = directoryManifest(mounted.directory, (path) => hidden.push(path));
  mounted.unmount();
  const filesystem = await openExt(t, image);
  const actual = await filesystemManifest(filesystem, (path, error) => {
    t.ok(isUmbraError(error, 'FILESYSTEM_UNREADABLE'));
    unreadable.push(path);
  });
  t.same(unreadable.sort(), hidden.sort());
  sameManifest(t, actual, expected);
  for (const path of hidden) {
    const names = path.split('/').slice(1);
    let id: Awaited<ReturnType<Filesystem['lookup']>> = { name: '', id: filesystem.root };
    for (const name of names) id = id === undefined ? undefined : await filesystem.lookup(id.id, name);
    t.equal(id?.name, names.at(-1), 'an encrypted name is found as it is shown');
  }
}

/** Dirty journals without orphans (those e2fsck removes), with all kinds of checksums, revokes and damage. */
const DIRTY = [
  'f_jnl_64bit/image.gz',
  'j_corrupt_commit_csum/image.gz',
  'j_corrupt_commit_tid/image.gz',
  'j_corrupt_journal_block/image.gz',
  'j_corrupt_revoke_csum/image.gz',
  'j_recover_csum2_64bit/image.bz2',
];

corpusTest(t, "e2fsprogs' dirty journals are replayed as e2fsck does", async (t, corpus) => {
  const directory = temporaryDirectory(t);
  for (const name of DIRTY) {
    const image = join(directory, name.replace('/', '-'));
    writeFileSync(image, corpusImage(corpus, join('e2fsprogs/tests', name)));
    await t.test(name, async (t) => {
      await sameAsE2fsck(t, image);
    });
  }
});
