import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { settleHandshakes } from '../../../../agent/images/nbd/settle-handshakes.js';
import { systemClock } from '../../../../src/common/clock.js';
import { fakeNbdServer } from '../../../kit/fake-nbd-server.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

t.test('it is over when the server has ended the connection, and not before', async (t) => {
  const said: string[] = [];
  const path = await fakeNbdServer(t, {
    aborted: (socket) => {
      setTimeout(() => {
        said.push('ended');
        socket.end();
      }, 50);
    },
  });
  t.equal(await settleHandshakes(path), true);
  t.same(said, ['ended']);
});

t.test('nobody listens', async (t) => {
  const directory = temporaryDirectory(t);
  t.equal(await settleHandshakes(join(directory, 'missing')), false);
  writeFileSync(join(directory, 'file'), '');
  t.equal(await settleHandshakes(join(directory, 'file')), false);
});

t.test('a server that does not answer, that does not end, and that is none', async (t) => {
  const silent = await fakeNbdServer(t, { greeting: Buffer.alloc(0) });
  const code = 'IMAGE_FAILED';
  await t.rejects(settleHandshakes(silent, systemClock, 20), { code, message: /end a handshake within 20 ms/ });
  const endless = await fakeNbdServer(t, { aborted: () => undefined });
  await t.rejects(settleHandshakes(endless, systemClock, 20), { code, message: /end a handshake within 20 ms/ });
  const other = await fakeNbdServer(t, { greeting: Buffer.alloc(18, 'x') });
  await t.rejects(settleHandshakes(other), { code, message: /no newstyle NBD server/ });
  const hasty = await fakeNbdServer(t, { option: () => Buffer.alloc(20) });
  await t.rejects(settleHandshakes(hasty), { code, message: /wrong magic/ });
});
