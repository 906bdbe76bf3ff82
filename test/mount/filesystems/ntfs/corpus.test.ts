import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { parseBootSector } from '../../../../mount/filesystems/ntfs/boot-sector.js';
import { Mft } from '../../../../mount/filesystems/ntfs/mft.js';
import { corpusImage, corpusTest } from '../../../kit/filesystems/corpus.js';
import { directoryManifest, filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { mountNtfs3g, openNtfs, withoutSamba } from '../../../kit/filesystems/ntfs-image.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

/** Names for DOS are counted by ntfs-3g, but not shown. */
const IGNORED = ['permissions', 'nlink', 'sameAs'] as const;

t.pass('where there is no corpus, nothing of it is tested');

async function sameAsNtfs3g(t: Test, image: string): Promise<number> {
  const { directory } = mountNtfs3g(t, image, ['ro']);
  const expected = withoutSamba(directoryManifest(directory));
  const actual = withoutSamba(await filesystemManifest(await openNtfs(t, image)));
  sameManifest(t, actual, expected, { ignore: IGNORED });
  return expected.size;
}

corpusTest(t, 'a volume that Windows wrote, with streams', async (t, corpus) => {
  const image = join(temporaryDirectory(t), 'ntfs.img');
  writeFileSync(image, corpusImage(corpus, 'go-ntfs/tests/ads_with_same_ids/charlie.dd.bz2'));
  t.equal(await sameAsNtfs3g(t, image), 4);
  const filesystem = await openNtfs(t, image);
  t.equal(filesystem.label, 'Charlie');
  const item = await filesystem.lookup(filesystem.root, 'nine.TXT');
  t.equal(item?.name, 'Nine.txt');
  const xattrs = await filesystem.xattrs(item?.id ?? 0);
  t.same([...xattrs.keys()].filter((name) => /^user\.\d/.test(name)).sort(), ['user.111', 'user.222', 'user.333']);
});

for (const [name, entries] of [
  ['ntfs3', 4],
  ['ntfs3_attrlist', 101],
] as const) {
  corpusTest(t, `a volume that Linux' ntfs3 wrote: ${name}`, async (t, corpus) => {
    const image = join(temporaryDirectory(t), 'ntfs.img');
    writeFileSync(image, corpusImage(corpus, `dfir_ntfs/test_data/${name}.raw.gz`));
    t.equal(await sameAsNtfs3g(t, image), entries);
  });
}

/** Disks of Windows 2003 and 10, with the first sector and the sectors of a partition each. */
const DISKS = [
  ['vss_2003.tgz', 'vss_2003.raw', 63, 268_430_022, 43],
  ['vss_1_vol.tar.gz', 'vss_1_vol.raw', 67_584, 10_416_128, 7],
  ['vss_3_volstor.tar.gz', 'vss_3_volstor.raw', 2048, 4_194_304, 40],
  ['vss_3_volstor.tar.gz', 'vss_3_volstor.raw', 4_196_352, 6_285_312, 9],
] as const;

for (const [archive, file, start, sectors, entries] of DISKS) {
  corpusTest(t, `a partition that Windows wrote: ${file} at ${start}`, async (t, corpus) => {
    const directory = temporaryDirectory(t);
    execFileSync('tar', ['-xzSf', join(corpus, 'dfir_ntfs/test_data', archive), '-C', directory]);
    const options = ['--offset', String(start * 512), '--sizelimit', String(sectors * 512)];
    const device = execFileSync('losetup', ['--find', '--show', '--read-only', ...options, join(directory, file)], {
      encoding: 'utf8',
    }).trim();
    t.teardown(() => {
      execFileSync('losetup', ['--detach', device]);
    });
    const mounted = mountNtfs3g(t, device, ['ro']);
    const expected = withoutSamba(directoryManifest(mounted.directory));
    mounted.unmount();
    const part = { offset: start * 512, sizeBytes: sectors * 512 };
    const filesystem = await openNtfs(t, join(directory, file), part);
    const actual = withoutSamba(await filesystemManifest(filesystem));
    sameManifest(t, actual, expected, { ignore: IGNORED });
    t.equal(expected.size, entries);
    t.same(filesystem.problems, []);
  });
}

/** Pieces of a volume, in files that are named by their place. */
function piecesSource(directory: string, sizeBytes: number): ByteSource {
  const pieces = readdirSync(directory)
    .filter((name) => name.endsWith('.bin'))
    .map((name) => ({ offset: Number(name.slice(0, -4)), bytes: readFileSync(join(directory, name)) }));
  return {
    sizeBytes,
    locate: (offset, length) => [{ volume: 'vda', offset, length }],
    read(target, offset) {
      target.fill(0);
      for (const { offset: at, bytes } of pieces) {
        const from = Math.max(offset, at);
        const to = Math.min(offset + target.length, at + bytes.length);
        if (to > from) target.set(bytes.subarray(from - at, to - at), from - offset);
      }
      return target.length;
    },
  };
}

corpusTest(t, 'an $MFT in 171 pieces, with a list of attributes', async (t, corpus) => {
  const directory = join(corpus, 'go-ntfs/tests/highly_fragmented_mft');
  const boot = readFileSync(join(directory, '0x00000000.bin'));
  const geometry = parseBootSector(boot);
  if (geometry === undefined) throw new TypeError('no boot sector');
  const source = piecesSource(directory, geometry.sizeBytes);
  const mft = await Mft.open(new BlockCache(1024 * 1024).reader(source), geometry);
  const golden = readFileSync(join(directory, 'fixtures/runs.golden'), 'utf8');
  const last = /FileOffset (\d+) -> .*Length (\d+).*\n*$/.exec(golden.trimEnd().split('\n').at(-1) ?? '');
  t.equal(mft.records, (Number(last?.[1]) + Number(last?.[2])) * 4);
  t.same(mft.problems, []);
});
