import t from 'tap';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import { RegionSlots } from '../../../src/workers/region-slots.js';

t.test('slots are made when needed, up to the limit, and used again', async (t) => {
  const slots = new RegionSlots(2);
  const first = await slots.take();
  t.equal(first.region.byteLength, REGION_BYTES);
  t.ok(first.frames.byteLength > REGION_BYTES);
  slots.giveBack(first);
  t.equal(await slots.take(), first);
  const second = await slots.take();
  t.not(second, first);
});

t.test('who finds none waits, in order', async (t) => {
  const slots = new RegionSlots(1);
  const only = await slots.take();
  const order: string[] = [];
  const waiting = ['a', 'b', 'c'].map(async (name) => {
    const slot = await slots.take();
    t.equal(slot, only);
    order.push(name);
    slots.giveBack(slot);
  });
  await new Promise(setImmediate);
  t.same(order, []);
  slots.giveBack(only);
  await Promise.all(waiting);
  t.same(order, ['a', 'b', 'c']);
  t.equal(await slots.take(), only, 'and it is free again');
});
