import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { chooseSource, readSource, sourceOfEnvironment, type KeySource } from '../../../src/keys/key-source.js';
import { temporaryDirectory } from '../../kit/temporary.js';

async function read(source: KeySource, limitMs?: number): Promise<string> {
  const { source: kind, bytes } = await readSource(source, limitMs);
  return `${kind} ${Buffer.from(bytes).toString()}`;
}

t.test('files: read as they are, refused when others may, or when they are none', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'secret');
  writeFileSync(file, 'words\n', { mode: 0o600 });
  t.equal(await read({ keyFile: file }), 'key-file words');
  t.equal(await read({ passphraseFile: file }), 'passphrase words');
  for (const mode of [0o640, 0o604, 0o620, 0o602]) {
    chmodSync(file, mode);
    const hint = `Run "chmod 600 ${file}". If others may have read it, give the store another one: "umbra key change".`;
    await t.rejects(read({ keyFile: file }), { code: 'KEY_UNREADABLE', message: /open to others/, hint });
  }
  chmodSync(file, 0o400);
  t.equal(await read({ keyFile: file }), 'key-file words');
  await t.rejects(read({ keyFile: directory }), { code: 'KEY_UNREADABLE' });
  await t.rejects(read({ passphraseFile: join(directory, 'none') }), { code: 'KEY_UNREADABLE', message: /ENOENT/ });
  writeFileSync(join(directory, 'large'), Buffer.alloc(1_000_000), { mode: 0o600 });
  await t.rejects(read({ keyFile: join(directory, 'large') }), { code: 'KEY_UNREADABLE', message: /more than 3072/ });
});

t.test('a pipe can be named, as a shell does', async (t) => {
  const pipe = join(temporaryDirectory(t), 'pipe');
  spawnSync('mkfifo', ['-m', '644', pipe]);
  const reading = read({ passphraseFile: pipe });
  writeFileSync(pipe, 'words');
  t.equal(await reading, 'passphrase words');
});

t.test('commands: what they print, why they fail, and an end to those that go on', async (t) => {
  t.equal(await read({ keyCommand: 'echo words; echo noise >&2' }), 'command words');
  const failed = { code: 'KEY_UNREADABLE', hint: /Run it yourself/ };
  await t.rejects(read({ keyCommand: 'echo "no token" >&2; exit 3' }), {
    ...failed,
    message: /exit code 3: no token$/,
  });
  await t.rejects(read({ keyCommand: 'kill -9 $$' }), { ...failed, message: /SIGKILL$/ });
  await t.rejects(read({ keyCommand: 'true' }), { code: 'KEY_UNREADABLE', message: /is empty/ });
  await t.rejects(read({ keyCommand: 'yes' }), { code: 'KEY_UNREADABLE', message: /more than 3072/ });
  // Time enough for a busy machine to start it.
  await t.rejects(read({ keyCommand: 'yes >&2; sleep 60' }, 1000), { ...failed, message: /longer than 1 s: y\n/ });
  const late = read({ keyCommand: 'sleep 60 & echo $!; wait' }, 300);
  await t.rejects(late, { ...failed, message: /longer than 0.3 s$/ });
});

t.test('one of them is named, or none', (t) => {
  t.equal(sourceOfEnvironment({ UMBRA_KEY_FILE: '' }), undefined);
  t.same(sourceOfEnvironment({ UMBRA_KEY_FILE: '/k' }), { keyFile: '/k' });
  t.same(sourceOfEnvironment({ UMBRA_PASSPHRASE_FILE: '/p' }), { passphraseFile: '/p' });
  t.same(sourceOfEnvironment({ UMBRA_KEY_COMMAND: 'pass umbra' }), { keyCommand: 'pass umbra' });
  t.throws(() => sourceOfEnvironment({ UMBRA_KEY_FILE: 'a', UMBRA_KEY_COMMAND: 'b' }), { code: 'BAD_ARGUMENT' });
  t.equal(chooseSource({}, 'it'), undefined);
  t.end();
});
