import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { type ByteSource, WindowSource } from '../../../../mount/blocks/byte-source.js';
import { exfatDriver } from '../../../../mount/filesystems/exfat/exfat-driver.js';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { corpusImage, corpusTest } from '../../../kit/filesystems/corpus.js';
import { exercise } from '../../../kit/filesystems/fuzz.js';
import { filesystemManifest } from '../../../kit/filesystems/manifest.js';
import { fileSource, memorySource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const DFIR = 'dfir_ntfs/test_data';

async function open(source: ByteSource): Promise<Filesystem> {
  return await exfatDriver.open({ source, cache: new BlockCache(1024 * 1024) });
}

/** Path, type, size and time of what `fls` lists; lines with `#` are what it makes up. */
function flsEntries(text: string): [path: string, what: string][] {
  const lines = text.split('\n').filter((line) => /^[rd]\//.test(line));
  return lines.map((line) => {
    const [type = '', path = '', mtime = '', , , , size = ''] = line.split('\t');
    const isDirectory = type.startsWith('d');
    return [`/${path}`, `${isDirectory ? 'directory' : 'file'} ${size} ${mtime.slice(0, 19).replace(' ', 'T')}`];
  });
}

corpusTest(t, 'the listing of the sleuth kit', async (t, corpus) => {
  const zone = process.env['TZ'];
  t.teardown(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  process.env['TZ'] = 'UTC';
  const image = memorySource(corpusImage(corpus, `${DFIR}/exfat_lin_part.raw.gz`));
  const filesystem = await open(new WindowSource(image, 2048 * 512, image.sizeBytes));
  t.match(filesystem, { label: '1234567890a', uuid: '5E27-F958' });
  const shown = await filesystemManifest(filesystem);
  shown.delete('/');
  const lines = [...shown].map(([path, { type, sizeBytes, mtimeNs = 0n }]): [string, string] => {
    const mtime = new Date(Number(mtimeNs / 1_000_000n)).toISOString().slice(0, 19);
    return [path, `${type} ${sizeBytes} ${mtime}`];
  });
  const expected = flsEntries(readFileSync(join(corpus, DFIR, 'exfat_lin_part.txt'), 'utf8'));
  t.equal(expected.length, 20);
  t.same(new Map(lines), new Map(expected));
});

corpusTest(t, 'Windows wrote them', async (t, corpus) => {
  const encrypted = await open(memorySource(corpusImage(corpus, `${DFIR}/exfat_encrypted.raw.gz`)));
  const files = await filesystemManifest(encrypted);
  t.equal(encrypted.label, 'encrypted');
  t.match(files.get('/encrypted_dir/1.bin.PFILE'), { type: 'file', sizeBytes: 4112 });
  t.equal(files.size, 17);
  const seven = await filesystemManifest(await open(memorySource(corpusImage(corpus, `${DFIR}/win_exfat_7.raw.gz`))));
  t.match(seven.get('/тест.txt'), { sizeBytes: 7 });
  t.equal(
    (await filesystemManifest(await open(memorySource(corpusImage(corpus, `${DFIR}/exfat_orphan.raw.gz`))))).size,
    1,
  );
});

corpusTest(t, 'damaged ones neither crash nor hang', async (t, corpus) => {
  const folder = join(corpus, 'exfatprogs/tests');
  const names = readdirSync(folder);
  t.ok(names.length > 15);
  for (const name of names) {
    const directory = temporaryDirectory(t);
    execFileSync('tar', [
      '--extract',
      '--sparse',
      '--directory',
      directory,
      '--file',
      join(folder, name, 'exfat.img.tar.xz'),
    ]);
    const image = readdirSync(directory, { recursive: true, encoding: 'utf8' }).find((file) => file.endsWith('.img'));
    const source = fileSource(t, join(directory, image ?? ''));
    const wrong = await exercise(source, async (strict) =>
      (await exfatDriver.matches(strict)) ? await open(strict) : undefined,
    );
    t.same(wrong, [], name);
  }
});
