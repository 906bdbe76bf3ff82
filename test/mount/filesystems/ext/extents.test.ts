import t from 'tap';
import { extDriver } from '../../../../mount/filesystems/ext/ext.js';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { readExactly } from '../../../../mount/blocks/byte-source.js';
import type { Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { setXattr } from '../../../../src/system/xattrs.js';
import { dirtyExtImage } from '../../../kit/filesystems/ext-history.js';
import { fillTree, filledExtImage, openExt, sameAsKernel } from '../../../kit/filesystems/ext-images.js';
import { patchedSource } from '../../../kit/filesystems/fuzz.js';
import { filesystemManifest, sameManifest } from '../../../kit/filesystems/manifest.js';
import { fileSource } from '../../../kit/filesystems/sources.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The content of all files put together from their extents, and what of it differs from what is read. */
async function wrongExtents(filesystem: Filesystem, image: Buffer): Promise<string[]> {
  const wrong: string[] = [];
  const pending = [filesystem.root];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const { type } = await filesystem.stat(id);
    if (type === 'directory') {
      for await (const batch of filesystem.readDirectory(id)) pending.push(...batch.map((item) => Number(item.id)));
    }
    if (type !== 'file') continue;
    const file = await filesystem.open(id);
    const content = Buffer.alloc(file.sizeBytes);
    await file.read(content, 0);
    let end = 0;
    for await (const extent of filesystem.extents(id)) {
      if (extent.offset !== end) wrong.push(`inode ${id}: a gap at ${end}`);
      end = extent.offset + extent.length;
      if (extent.kind === 'inline') continue;
      const part = Buffer.alloc(extent.length);
      let at = 0;
      for (const location of extent.kind === 'stored' ? extent.locations : []) {
        const isThere = location.volume !== undefined;
        if (isThere) image.copy(part, at, location.offset, location.offset + location.length);
        else content.copy(part, at, extent.offset + at, extent.offset + at + location.length);
        at += location.length;
      }
      if (!part.equals(content.subarray(extent.offset, end))) wrong.push(`inode ${id} at ${extent.offset}`);
    }
    if (end !== file.sizeBytes) wrong.push(`inode ${id} ends at ${end}`);
  }
  return wrong;
}

void t.test('extents say where the bytes of files stand', async (t) => {
  const options = ['-t', 'ext4', '-b', '1024', '-I', '256', '-O', 'inline_data,ea_inode', '-N', '1024'];
  const path = filledExtImage(t, temporaryDirectory(t), { name: 'extents', options, sizeMib: 64 }, (root) => {
    fillTree(root, 20);
    setXattr(join(root, 'plain/large'), 'user.in-an-inode', Buffer.alloc(20_000, 7));
    setXattr(join(root, 'plain/size-150'), 'user.in-an-inode', Buffer.alloc(60_000, 8));
  });
  t.same(await wrongExtents(await openExt(t, path), readFileSync(path)), []);
  await sameAsKernel(t, path);
});

void t.test('with a replayed journal too, and with a journal whose inode is lost', async (t) => {
  const options = ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', 'metadata_csum'];
  const history = { name: 'journal', options, mountOptions: ['data=journal'], operations: 80 };
  for (const path of dirtyExtImage(t, temporaryDirectory(t), history, 3)) {
    const image = readFileSync(path);
    const filesystem = await openExt(t, path);
    t.same(await wrongExtents(filesystem, image), []);
    const blockBytes = 1024;
    const table = image.readUInt32LE(2 * blockBytes + 8);
    const lost = patchedSource(image, [{ offset: table * blockBytes + 7 * 256, bytes: Buffer.alloc(256) }]);
    const rescued = await extDriver.open({ source: lost, cache: new BlockCache(1024 * 1024) });
    t.same(rescued.journal, { state: 'replayed' });
    sameManifest(t, await filesystemManifest(rescued), await filesystemManifest(filesystem));
    const external = patchedSource(image, [
      { offset: 1024 + 224, bytes: Buffer.alloc(4) },
      { offset: 1024 + 100, bytes: Buffer.of(0, 0, 0, 0) },
    ]);
    const ignored = await extDriver.open({ source: external, cache: new BlockCache(1024 * 1024) });
    t.same(ignored.journal, { state: 'ignored', reason: 'it stands on another device' });
    t.ok((await ignored.usage()).blocks > 0);
    await t.rejects(readExactly(fileSource(t, path), image.length, 1), { code: 'FILESYSTEM_DAMAGED' });
  }
});
