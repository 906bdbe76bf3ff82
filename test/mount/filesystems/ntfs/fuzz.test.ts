import t from 'tap';
import { fuzzImage, fuzzNtfs, metadataRegions } from '../../../kit/filesystems/ntfs-fuzz.js';
import { testSeed } from '../../../kit/random.js';

t.test('damaged volumes give errors, and nothing else', async (t) => {
  const image = fuzzImage(t);
  t.ok(metadataRegions(image).length > 100);
  t.same(await fuzzNtfs(image, 1, 1), []);
  t.same(await fuzzNtfs(image, testSeed(t), 100), []);
});
