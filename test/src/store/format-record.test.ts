import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

import {
  encodeFormatRecord,
  newFormatRecord,
  parseFormatRecord,
  readFormatFile,
  writeFormatFile,
} from '../../../src/store/format-record.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('come back as they were, with reserved fields', (t) => {
  const record = newFormatRecord({ seed: '00ff0123456789ab', compression: { codec: 'lz4', level: 1 } }, 5);
  t.equal(record.cutting.seed, 0xff0123456789abn);
  const text = encodeFormatRecord(record);
  t.same(parseFormatRecord(text, 'it'), record);
  t.match(JSON.parse(text), {
    product: 'umbra',
    formatVersion: 2,
    encryption: null,
    keyedNames: null,
    cutting: { seed: '00ff0123456789ab' },
  });
  t.not(newFormatRecord({}, 0).cutting.seed, newFormatRecord({}, 0).cutting.seed, 'random');
  for (const seed of ['', '12', 'zz', 'FF00000000000000', '0123456789abcdef0'])
    t.throws(() => newFormatRecord({ seed }, 0), { code: 'BAD_ARGUMENT' });
  t.end();
});

t.test('what is not right is refused', (t) => {
  const good = JSON.parse(encodeFormatRecord(newFormatRecord({}, 5))) as Record<string, unknown>;
  const refused = (changes: object, code: string): void => {
    t.throws(() => parseFormatRecord(JSON.stringify({ ...good, ...changes }), 'it'), { code }, JSON.stringify(changes));
  };
  for (const formatVersion of [3, 1e9]) refused({ formatVersion }, 'STORE_NEWER');
  for (const formatVersion of [0, -1, 1.5, '1', null]) refused({ formatVersion }, 'STORE_FOREIGN');
  refused({ encryption: {} }, 'STORE_NEWER');
  refused({ keyedNames: 1 }, 'STORE_NEWER');
  for (const product of ['restic', undefined, 1]) refused({ product }, 'STORE_FOREIGN');
  const cutting = good['cutting'] as object;
  for (const wrong of [{ seed: 'x' }, { zeroBits: 99 }, { window: 65 }, { window: undefined }, { maxBlocks: 0 }])
    refused({ cutting: { ...cutting, ...wrong } }, 'STORE_FOREIGN');
  for (const wrong of [null, {}]) refused({ cutting: wrong }, 'STORE_FOREIGN');
  for (const compression of [null, { codec: 'gzip', level: 1 }, { codec: 'zstd', level: 99 }])
    refused({ compression }, 'STORE_FOREIGN');
  for (const text of ['', '{', 'null', '[]', '7'])
    t.throws(() => parseFormatRecord(text, 'it'), { code: 'STORE_FOREIGN', message: /^it is not/ });
  t.end();
});

// As version 1 wrote it: what stores were made with stays as it is, for older programs, too.
t.test('a store of format 1 is cut as it always was, and remains one', (t) => {
  const text = `{
  "product": "umbra",
  "formatVersion": 1,
  "id": "3bdeac9c-6e2c-4a53-a4b5-06c6d45f4d5e",
  "createdMs": 5,
  "cutting": {
    "seed": "00ff0123456789ab",
    "zeroBits": 4,
    "maxBlocks": 64
  },
  "compression": {
    "codec": "zstd",
    "level": 1
  },
  "encryption": null,
  "keyedNames": null
}
`;
  const record = parseFormatRecord(text, 'it');
  t.same(record.cutting, { seed: 0xff0123456789abn, zeroBits: 4, window: 0, maxBlocks: 64 });
  t.match(JSON.parse(encodeFormatRecord(record)), { formatVersion: 1, cutting: { zeroBits: 4, maxBlocks: 64 } });
  t.same(parseFormatRecord(encodeFormatRecord(record), 'it'), record);
  t.end();
});

t.test('files', async (t) => {
  const directory = path.join(temporaryDirectory(t), 'store');
  t.equal(await readFormatFile(directory), undefined);
  mkdirSync(path.join(directory, 'lost+found'), { recursive: true });
  t.equal(await readFormatFile(directory), undefined, 'a new file system');
  const record = newFormatRecord({}, 5);
  await writeFormatFile(directory, record);
  t.same(await readFormatFile(directory), record);
  t.same(readdirSync(directory).sort(), ['format', 'lost+found']);
  writeFileSync(path.join(directory, 'file'), '');
  await t.rejects(readFormatFile(path.join(directory, 'file')), { code: 'STORE_FAILED' });
});
