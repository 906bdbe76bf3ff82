import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { type ByteSource, WindowSource } from '../../../../mount/blocks/byte-source.js';
import { fatDriver } from '../../../../mount/filesystems/fat/fat-driver.js';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { corpusImage, corpusTest } from '../../../kit/filesystems/corpus.js';
import { exercise } from '../../../kit/filesystems/fuzz.js';
import { filesystemManifest, type Manifest } from '../../../kit/filesystems/manifest.js';
import { fileSource, memorySource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const DFIR = 'dfir_ntfs/test_data';

async function open(source: ByteSource): Promise<Filesystem> {
  return await fatDriver.open({ source, cache: new BlockCache(1024 * 1024) });
}

async function manifestOf(corpus: string, path: string, offset = 0): Promise<Manifest> {
  const image = memorySource(corpusImage(corpus, path));
  return await filesystemManifest(await open(new WindowSource(image, offset, image.sizeBytes)));
}

/** What the guest's own kernel listed: `/PATH<tab>YYYY-MM-DD+HH:MM:SS.0000000000` each, three hours ahead of the disk. */
function listing(text: string): Map<string, string> {
  const lines = text.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [path = '', time = ''] = line.split(/[\t ]/);
      return [path, new Date(`${time.replace('+', 'T').slice(0, 19)}+03:00`).toISOString()];
    }),
  );
}

corpusTest(t, 'the listings of the kernel that wrote them', async (t, corpus) => {
  const zone = process.env['TZ'];
  t.teardown(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  process.env['TZ'] = 'UTC';
  for (const kind of ['fat12', 'fat16']) {
    const shown = await manifestOf(corpus, `${DFIR}/${kind}.raw.gz`);
    shown.delete('/');
    const times = [...shown].map(([path, { mtimeNs = 0n }]) => [
      path,
      new Date(Number(mtimeNs / 1_000_000n)).toISOString(),
    ]);
    const expected = listing(readFileSync(join(corpus, DFIR, `${kind}_full_test.txt`), 'utf8'));
    t.same(new Map(times as [string, string][]), expected, `${kind}: ${expected.size} entries`);
  }
});

corpusTest(t, 'odd sizes, loops and 64-bit counts', async (t, corpus) => {
  const small = await manifestOf(corpus, `${DFIR}/fat32_small.raw.gz`);
  t.same([...small.keys()], ['/', '/test', '/test/1.TXT', '/test/2.TXT']);
  t.equal(small.get('/test/1.TXT')?.sizeBytes, 6);
  const unusual = await manifestOf(corpus, `${DFIR}/fat_unusual_cluster.raw.gz`);
  t.equal(unusual.get('/test_test_test_123_123_123.txt')?.sizeBytes, 4);
  t.equal((await manifestOf(corpus, `${DFIR}/fat32_loop.raw.gz`)).size, 91);
  t.same([...(await manifestOf(corpus, `${DFIR}/fat_noloop.raw.gz`)).keys()], ['/', '/1_', '/2_', '/4', '/5']);
  t.same([...(await manifestOf(corpus, `${DFIR}/fat64.raw.gz`, 2048 * 512)).keys()], ['/', '/test', '/test/test.test']);
  const label = await open(memorySource(corpusImage(corpus, `${DFIR}/fat_unusual_label.raw.gz`)));
  t.match(label, { label: ' tEst1.234', uuid: 'A830-9A11' });
});

corpusTest(t, 'labels and serial numbers are those of blkid', async (t, corpus) => {
  const folder = join(corpus, 'util-linux/tests/ts/blkid/images-fs');
  const images = readdirSync(folder).filter((name) => name.startsWith('fat'));
  t.ok(images.length > 5);
  for (const image of images) {
    const expected = readFileSync(
      join(corpus, 'util-linux/tests/expected/blkid', `low-probe-${image.replace('.img.xz', '')}`),
      'utf8',
    );
    const field = (name: string): string =>
      (new RegExp(`^ID_FS_${name}=(.*)$`, 'm').exec(expected)?.[1] ?? '').replaceAll('\\x20', ' ');
    const source = memorySource(corpusImage(corpus, `util-linux/tests/ts/blkid/images-fs/${image}`));
    t.equal(await fatDriver.matches(source), true, image);
    const { label, uuid, type } = await open(source);
    t.same({ label, uuid, type }, { label: field('LABEL_ENC'), uuid: field('UUID'), type: field('TYPE') }, image);
  }
});

/** What a hex dump says, as a sparse file. */
function dumpedImage(t: Test, dump: string): ByteSource {
  const image = join(temporaryDirectory(t), 'image');
  execFileSync('xxd', ['-r', dump, image]);
  return fileSource(t, image);
}

corpusTest(t, 'labels are those of dosfstools', async (t, corpus) => {
  const folder = join(corpus, 'dosfstools/tests');
  const labelled = readdirSync(folder).filter((name) => name.endsWith('.label'));
  t.ok(labelled.length > 15);
  for (const name of labelled) {
    const { label } = await open(dumpedImage(t, join(folder, name.replace('.label', '.xxd'))));
    t.equal(label, readFileSync(join(folder, name), 'utf8').trim(), name);
  }
});

corpusTest(t, 'damaged ones neither crash nor hang', async (t, corpus) => {
  const folder = join(corpus, 'dosfstools/tests');
  const images = readdirSync(folder).filter((name) => name.endsWith('.xxd'));
  t.ok(existsSync(join(folder, 'check-circular_chain.xxd')) && images.length > 40);
  for (const name of images) {
    const source = dumpedImage(t, join(folder, name));
    const wrong = await exercise(source, async (strict) =>
      (await fatDriver.matches(strict)) ? await open(strict) : undefined,
    );
    t.same(wrong, [], name);
  }
});
