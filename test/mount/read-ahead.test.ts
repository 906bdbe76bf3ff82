import { readFile } from 'node:fs/promises';
import t from 'tap';
import { raiseReadAhead } from '../../mount/read-ahead.js';
import { findMount } from '../../mount/mount-point.js';
import { MountServer } from '../kit/mount-server.js';

t.test('a mount reads ahead more than FUSE does by itself, where the user may say so', async (t) => {
  const server = await MountServer.start(t);
  const entry = await findMount(await server.mount('m'));
  const kib = Number(await readFile(`/sys/class/bdi/${entry?.device ?? ''}/read_ahead_kb`, 'utf8'));
  t.equal(kib, process.getuid?.() === 0 ? 512 : 128);
});

t.test('where it cannot be set, nothing happens', async (t) => {
  await t.resolves(raiseReadAhead({ device: '9999:9999', mountPoint: '/' }));
});
