import t from 'tap';
import {
  countFastTags,
  dirtyExtImage,
  EXT_HISTORIES,
  FAST_COMMIT_HISTORIES,
  sameAsE2fsck,
  sameAsReplayed,
} from '../../../kit/filesystems/ext-history.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { firstSeed, repeats } from '../../../kit/repeats.js';

/** Each of them again and again in a soak. */
function manyOf<T>(histories: readonly T[]): T[] {
  return Array.from({ length: repeats(1) }, () => histories).flat();
}

void t.test('the reader replays what the kernel replays', async (t) => {
  const directory = temporaryDirectory(t);
  const seed = firstSeed(t);
  for (const [index, history] of manyOf(EXT_HISTORIES).entries()) {
    await t.test(history.name, async (t) => {
      for (const dirty of dirtyExtImage(t, directory, history, seed + index)) {
        await sameAsReplayed(t, dirty);
        await sameAsE2fsck(t, dirty);
      }
    });
  }
});

void t.test('the reader replays fast commits as the kernel does', async (t) => {
  const directory = temporaryDirectory(t);
  const seed = firstSeed(t);
  for (const [index, history] of manyOf(FAST_COMMIT_HISTORIES).entries()) {
    await t.test(history.name, async (t) => {
      for (const dirty of dirtyExtImage(t, directory, history, seed + index)) {
        t.ok((await countFastTags(t, dirty)) > 0, 'there are fast commits');
        await sameAsReplayed(t, dirty, true);
      }
    });
  }
});
