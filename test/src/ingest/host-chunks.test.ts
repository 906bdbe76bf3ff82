import t from 'tap';
import { digestOf } from '../../../src/codec/digest.js';
import { HostChunks } from '../../../src/ingest/host-chunks.js';

function digest(number: number): Uint8Array {
  return digestOf(Buffer.from(String(number)));
}

t.test('each host has its own, and the oldest are forgotten', (t) => {
  const chunks = new HostChunks();
  chunks.of('a').add(digest(0));
  t.ok(chunks.of('a').has(digest(0)));
  t.notOk(chunks.of('b').has(digest(0)));
  for (let number = 1; number < 100_001; number++) chunks.of('a').add(digest(number));
  t.notOk(chunks.of('a').has(digest(0)), 'more than 100,000 are not kept');
  t.ok(chunks.of('a').has(digest(60_000)));
  for (let host = 0; host < 63; host++) chunks.of(`host${host}`);
  t.ok(chunks.of('a').has(digest(100_000)), 'a host that was asked for stays');
  for (let host = 100; host < 164; host++) chunks.of(`host${host}`);
  t.notOk(chunks.of('a').has(digest(100_000)), 'of 64 hosts that did not ask for so long');
  t.end();
});
