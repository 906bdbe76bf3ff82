import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';

import { CIPHERS } from '../../../src/codec/aead.js';
import { UmbraError } from '../../../src/common/errors.js';
import { privateFilesOf } from '../../../src/keys/sealed-files.js';
import { plainFiles } from '../../../src/system/private-files.js';
import { testKeys } from '../../kit/sealed.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const KEYS = testKeys().files;
const TEXT = '{ "administrators": ["anna"] } äöü\n';
const DAMAGED = { code: 'STORE_DAMAGED' };

function lab(t: Test) {
  const directory = temporaryDirectory(t);
  const at = (name: string): string => path.join(directory, name);
  return { directory, at, onDisk: (name: string): string => readFileSync(at(name), 'utf8') };
}

t.test('what is written is read again, and the disk tells nothing of it', async (t) => {
  const { directory, at, onDisk } = lab(t);
  for (const cipher of CIPHERS) {
    const files = privateFilesOf(directory, testKeys(cipher).files, plainFiles);
    await files.write(at('one'), TEXT);
    t.equal(await files.read(at('one')), TEXT);
    const before = onDisk('one');
    t.notMatch(before, /anna|admin/);
    t.notMatch(Buffer.from(before.split('\n')[1] ?? '', 'base64').toString('latin1'), /anna|admin/);
    await files.write(at('one'), TEXT);
    t.not(onDisk('one'), before, 'the same text never looks the same');
  }
  const files = privateFilesOf(directory, KEYS, plainFiles);
  t.equal(await files.read(at('one')), TEXT, 'whichever cipher it was sealed with');
  await files.write(at('empty'), '');
  t.equal(await files.read(at('empty')), '');
  t.equal(await files.read(at('none')), undefined);
});

t.test('one in plain is taken, and sealed at once; where nothing is encrypted it stays', async (t) => {
  const { directory, at, onDisk } = lab(t);
  writeFileSync(at('one'), TEXT);
  t.equal(await privateFilesOf(directory, undefined, plainFiles).read(at('one')), TEXT);
  t.equal(onDisk('one'), TEXT);
  const files = privateFilesOf(directory, KEYS, plainFiles);
  t.equal(await files.read(at('one')), TEXT);
  t.notMatch(onDisk('one'), 'anna');
  t.equal(await files.read(at('one')), TEXT);
  writeFileSync(at('two'), TEXT);
  const full = new UmbraError('STORE_FAILED', 'the disk is full');
  const failing = privateFilesOf(directory, KEYS, { ...plainFiles, write: () => Promise.reject(full) });
  await t.rejects(failing.read(at('two')), full, 'nobody takes it for sealed while it is not');
  t.equal(onDisk('two'), TEXT, 'and nothing is lost');
});

t.test('what is of another store or file, or was changed, is refused', async (t) => {
  const { directory, at, onDisk } = lab(t);
  const files = privateFilesOf(directory, KEYS, plainFiles);
  await files.write(at('one'), TEXT);
  const sealed = onDisk('one');
  writeFileSync(at('two'), sealed);
  await t.rejects(files.read(at('two')), DAMAGED, 'another file');
  const other = testKeys('aes-256-gcm', 'other').files;
  await t.rejects(privateFilesOf(directory, other, plainFiles).read(at('one')), DAMAGED, 'another store');
  await t.rejects(privateFilesOf(directory, undefined, plainFiles).read(at('one')), {
    ...DAMAGED,
    message: /it is sealed, and the store is not encrypted/,
  });
  const bytes = Buffer.from(sealed.split('\n')[1] ?? '', 'base64');
  const changed = [0, 30, bytes.length - 1].map((index) => {
    const copy = Buffer.from(bytes);
    copy[index] = (copy[index] ?? 0) ^ 1;
    return sealed.replace(bytes.toString('base64'), copy.toString('base64'));
  });
  const cut = sealed.slice(0, 60);
  for (const text of [...changed, cut, sealed.replace('aes-256-gcm', 'chacha20-poly1305'), 'umbra-sealed-1 rot13\n']) {
    writeFileSync(at('one'), text);
    await t.rejects(files.read(at('one')), { ...DAMAGED, message: /its seal does not open/ });
  }
});
