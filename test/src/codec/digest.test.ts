import t from 'tap';
import { digestOf, EMPTY_DIGEST, isEmptyDigest, sameBytes, toHex } from '../../../src/codec/digest.js';
import { pattern } from '../../kit/pattern.js';

// From test_vectors.json of the BLAKE3 reference implementation.
const PUBLISHED = [
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [1025, 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444'],
  [2048, 'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a'],
  [4096, '015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969'],
  [31744, '62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47'],
  [102400, 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085'],
] as const;

t.test('BLAKE3-256 as published', (t) => {
  for (const [length, digest] of PUBLISHED) t.equal(toHex(digestOf(pattern(length))), digest, `${length} bytes`);
  t.end();
});

t.test('a view is hashed, and not what lies around it; shared memory too', (t) => {
  const around = Buffer.concat([Buffer.from('before'), pattern(1025), Buffer.from('behind')]);
  const view = new Uint8Array(around.buffer, around.byteOffset + 6, 1025);
  t.same(digestOf(view), digestOf(pattern(1025)));
  const shared = Buffer.from(new SharedArrayBuffer(2048));
  pattern(1025).copy(shared, 512);
  t.same(digestOf(shared.subarray(512, 512 + 1025)), digestOf(pattern(1025)));
  t.end();
});

t.test('digests are compared by their bytes', (t) => {
  t.ok(sameBytes(digestOf(pattern(3)), Buffer.from(digestOf(pattern(3)))));
  t.notOk(sameBytes(digestOf(pattern(3)), digestOf(pattern(4))));
  t.notOk(sameBytes(new Uint8Array(3), new Uint8Array(4)));
  t.ok(isEmptyDigest(Buffer.alloc(32)));
  t.ok(isEmptyDigest(EMPTY_DIGEST));
  t.notOk(isEmptyDigest(digestOf(new Uint8Array())));
  t.end();
});
