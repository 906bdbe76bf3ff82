import t from 'tap';

import { ObjectType } from '../../../src/codec/formats.js';
import { digestKey, objectName } from '../../../src/store/keys.js';
import { Marker } from '../../../src/store/mark.js';
import { findSequences } from '../../../src/store/object-index.js';
import { SequenceSet } from '../../../src/store/sequence-set.js';
import { objectsOf } from '../../kit/store-damage.js';
import { Random } from '../../kit/random.js';
import { listingOf, reachable } from '../../kit/store-model.js';
import { backUp, memoryDatabases, openTestStore, randomVolume } from '../../kit/test-store.js';

t.test('marks what a shadow copy refers to, and no more; chunks that are missing are remembered', async (t) => {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  await backUp(store, 'a', randomVolume(new Random(1), 1500));
  const expected = await reachable(store);
  await backUp(store, 'b', new Random(2).bytes(9000));
  const [chunk] = await objectsOf(databases.objects, ObjectType.chunk);
  if (chunk === undefined) throw new RangeError('no chunk');
  await databases.meta.write([{ type: 'del', key: digestKey(chunk.type, chunk.digest) }], { sync: true });
  const marked = new SequenceSet();
  const marker = new Marker({
    meta: databases.meta,
    reader: store.objectStore.reader,
    marked,
    signal: new AbortController().signal,
  });
  await marker.mark([listingOf(store, 'a')]);
  let wrong = 0;
  for (const type of Object.values(ObjectType)) {
    for (const { digest } of await objectsOf(databases.objects, type)) {
      const [sequence] = await findSequences(databases.meta, type, [digest]);
      if (sequence !== undefined && marked.has(sequence) !== expected.has(objectName(type, digest))) wrong++;
    }
  }
  t.equal(wrong, 0);
  t.same([...marker.missing.keys()], [objectName(chunk.type, chunk.digest)]);
});

t.test('stops when it is told to', async (t) => {
  const { meta, objects } = memoryDatabases();
  const store = await openTestStore({ meta, objects });
  await backUp(store, 'a', new Random(2).bytes(9000));
  const signal = AbortSignal.abort(new RangeError('stopped'));
  const marker = new Marker({ meta, reader: store.objectStore.reader, marked: new SequenceSet(), signal });
  await t.rejects(marker.mark([listingOf(store, 'a')]), { message: 'stopped' });
});
