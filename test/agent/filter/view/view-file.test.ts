import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { SideSpace } from '../../../../agent/filter/view/side-space.js';
import { ViewFile } from '../../../../agent/filter/view/view-file.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const BLOCK = 65_536;

t.test('a copy or a read that fails', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'file');
  writeFileSync(path, Buffer.alloc(3 * BLOCK, 1));
  const make = async (space: SideSpace): Promise<{ view: ViewFile; close: () => Promise<void> }> => {
    const [live, side] = [await open(path, 'r'), await space.file()];
    return {
      view: new ViewFile({ path: '/file', live, side, space, sizeBytes: 3 * BLOCK }),
      close: async () => {
        await Promise.all([live.close(), side.close()]);
      },
    };
  };
  const target = Buffer.alloc(10);
  const space = new SideSpace(directory, 10 * BLOCK);
  const first = await make(space);
  await first.view.beforeChange(BLOCK - 1, 2);
  t.equal(space.usedBytes, 2 * BLOCK);
  t.equal(first.view.beforeChange(0, 2 * BLOCK), undefined, 'copied once');
  t.equal(first.view.beforeChange(9 * BLOCK, 5), undefined, 'behind the end');
  t.equal(await first.view.read(target, 3 * BLOCK - 4), 4);
  t.equal(await first.view.read(target, 3 * BLOCK), 0);
  await first.close();
  await t.rejects(first.view.read(target, 0), { code: 'IMAGE_FAILED' });
  await first.view.beforeChange(2 * BLOCK, 1);
  t.match(space.broken, /could not be copied/, 'the writer is not told');
  t.equal(first.view.beforeChange(2 * BLOCK, 1), undefined);
  await first.view.close();
});
