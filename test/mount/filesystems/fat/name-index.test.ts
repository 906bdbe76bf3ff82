import t from 'tap';
import { MAX_SLOTS, NameIndexBuilder } from '../../../../mount/filesystems/fat/name-index.js';

t.test('finds the slots of a name among many', async (t) => {
  const builder = new NameIndexBuilder();
  for (let slot = 0; slot < 50_000; slot++) builder.add(`NAME ${slot}`, slot);
  builder.add('NAME 7', MAX_SLOTS - 1);
  builder.add('', 3);
  const index = builder.build();
  t.equal(index.byteLength, 50_002 * 8);
  t.same(index.slots('NAME 7'), [7, MAX_SLOTS - 1]);
  t.ok(index.slots('NAME 49999').includes(49_999));
  t.same(index.slots(''), [3]);
  t.same(index.slots('none of these'), []);
  t.same(new NameIndexBuilder().build().slots('a'), []);
});
