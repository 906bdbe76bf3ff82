import t from 'tap';
import { fuzzImage, fuzzNtfs, metadataRegions } from '../../../kit/filesystems/ntfs-fuzz.js';
import { firstSeed, repeats } from '../../../kit/repeats.js';

t.test('damaged volumes give errors, and nothing else', async (t) => {
  const image = fuzzImage(t);
  t.ok(metadataRegions(image).length > 100);
  t.same(await fuzzNtfs(image, 1, 1), []);
  t.same(await fuzzNtfs(image, firstSeed(t), repeats(100)), []);
});
