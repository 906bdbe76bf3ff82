import t from 'tap';
import * as formats from '../../../src/codec/formats.js';

// A change of any of these makes stores unreadable: it needs a new format version, and this table a new line.
const FROZEN = {
  FORMAT_VERSION: 2,
  PRODUCT: 'umbra',
  BLOCK_BYTES: 4096,
  REGION_BYTES: 4194304,
  BLOCKS_PER_REGION: 1024,
  DIGEST_BYTES: 32,
  FANOUT: 256,
  ObjectType: { chunk: 1, leaf: 2, inner: 3, record: 4, tombstone: 5, settings: 6 },
  Codec: { none: 0, zstd: 1, lz4: 2 },
  FRAME: { magic: 0x4f424d55, version: 1, headerBytes: 56 },
  MAX_OBJECT_BYTES: 67108864,
  MetaPrefix: {
    digest: 0x64,
    sequence: 0x73,
    catalog: 0x63,
    quarantine: 0x71,
    trustedTime: 0x74,
    highWater: 0x68,
    store: 0x66,
    job: 0x6a,
    alert: 0x61,
    channel: 0x6e,
    planned: 0x70,
    scrub: 0x76,
    replica: 0x72,
    change: 0x62,
  },
  CipherNumber: { 'aes-256-gcm': 1, 'chacha20-poly1305': 2 },
  SEALED_FRAME: { version: 2, nameAt: 16, saltAt: 48, saltBytes: 24, headerBytes: 72 },
  NODE: { leaf: 0x4c, inner: 0x49, version: 1 },
};

t.test('the numbers of the formats are frozen', (t) => {
  t.same({ ...formats }, FROZEN);
  t.end();
});

t.test('no two kinds of keys, objects or codecs share a number', (t) => {
  for (const numbers of [formats.MetaPrefix, formats.ObjectType, formats.Codec]) {
    t.equal(new Set(Object.values(numbers)).size, Object.keys(numbers).length);
  }
  t.end();
});
