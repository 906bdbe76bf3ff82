import t from 'tap';

import { isUmbraError } from '../../../src/common/errors.js';
import { packRecord } from '../../../src/store/checked.js';
import {
  parseShadowCopyRecord,
  parseTombstone,
  shadowCopyInfo,
  type ShadowCopyRecord,
} from '../../../src/store/records.js';
import { flipBit } from '../../kit/store-damage.js';
import { Random, testSeed } from '../../kit/random.js';

const RECORD: ShadowCopyRecord = {
  machine: 'web',
  name: '2026-11-22T10-15-00Z-2',
  timeMs: Date.UTC(2026, 10, 22, 10, 15),
  consistency: 'offline',
  tracker: 'scan',
  pauseMs: 0.5,
  volumes: [
    {
      name: 'vda',
      sizeBytes: 2 ** 41,
      dataBytes: 4096,
      root: Buffer.alloc(32, 1),
      source: { path: '/i', format: 'qcow2', fingerprint: 'f' },
    },
    { name: 'vdb', sizeBytes: 0, dataBytes: 0, root: Buffer.alloc(32), source: { path: '/j', format: 'raw' } },
  ],
  config: [{ name: 'web.xml', data: Buffer.from('<domain/>') }],
};
const TOMBSTONE = { record: Buffer.alloc(32, 2), machine: 'web', name: '2026-11-22T10-15-00Z', timeMs: 7 };

t.test('come back as they were', (t) => {
  t.same(parseShadowCopyRecord(packRecord(RECORD)), RECORD);
  t.same(parseTombstone(packRecord(TOMBSTONE)), TOMBSTONE);
  t.match(shadowCopyInfo(RECORD), {
    shadowCopy: RECORD.name,
    time: '2026-11-22T10:15:00.000Z',
    volumes: [{ root: '01'.repeat(32) }, {}],
  });
  t.end();
});

/** Values that no field may have, or only some. */
const ODD: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  1.5,
  NaN,
  Infinity,
  1e300,
  '',
  '../x',
  'a\0b',
  [],
  [null],
  [1],
  {},
  Buffer.alloc(31),
  'x'.repeat(500),
];

t.test('any field with a wrong value: STORE_DAMAGED or a record that can be shown, never another error', (t) => {
  let refused = 0;
  const attempt = (record: object): void => {
    try {
      shadowCopyInfo(parseShadowCopyRecord(packRecord(record)));
    } catch (error) {
      if (!isUmbraError(error, 'STORE_DAMAGED')) t.fail(`${JSON.stringify(record)}: ${String(error)}`);
      refused++;
    }
  };
  for (const value of ODD) {
    for (const field of Object.keys(RECORD)) attempt({ ...RECORD, [field]: value });
    for (const field of ['name', 'sizeBytes', 'dataBytes', 'root', 'source'])
      attempt({ ...RECORD, volumes: [{ ...RECORD.volumes[0], [field]: value }] });
    for (const field of ['path', 'format'])
      attempt({
        ...RECORD,
        volumes: [{ ...RECORD.volumes[0], source: { ...RECORD.volumes[0]?.source, [field]: value } }],
      });
    for (const field of ['name', 'data']) attempt({ ...RECORD, config: [{ ...RECORD.config[0], [field]: value }] });
  }
  t.ok(refused > 150, `${refused} refused`);
  t.end();
});

t.test('random bytes and flipped bits', (t) => {
  const random = new Random(testSeed(t));
  for (let round = 0; round < 3000; round++) {
    for (const [parse, record] of [
      [parseShadowCopyRecord, RECORD],
      [parseTombstone, TOMBSTONE],
    ] as const) {
      const bytes = random.chance(0.5) ? random.bytes(random.below(200)) : flipBit(random, packRecord(record));
      try {
        parse(bytes);
      } catch (error) {
        if (!isUmbraError(error, 'STORE_DAMAGED')) t.fail(`${bytes.toString('hex')}: ${String(error)}`);
      }
    }
  }
  t.end();
});
