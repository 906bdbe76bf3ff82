import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { LineSocket } from '../../../agent/qemu/line-socket.js';
import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** As QEMU's sockets do, it lets few wait. */
const SERVER = `require('node:net')
  .createServer((socket) => socket.write('hello\\n'))
  .listen({ path: process.argv[1], backlog: 1 }, () => console.log('ready'));`;

t.test('a socket where others wait is waited for, and is busy if that takes too long', async (t) => {
  const socketPath = join(temporaryDirectory(t), 'socket');
  const child = spawn(process.execPath, ['-e', SERVER, socketPath], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  const ends: string[] = [];
  const open = (timeoutMs: number, line: () => void = () => undefined): Promise<LineSocket> =>
    LineSocket.open({
      socketPath,
      what: 'the server',
      maxLineBytes: 100,
      clock: systemClock,
      timeoutMs,
      line,
      ended: ({ code }) => ends.push(code),
    });
  const waiting = [await open(60_000), await open(60_000)];
  await t.rejects(open(1), { code: 'TRACKER_BUSY', message: /other programs wait for the server at/ });
  t.strictSame(ends, ['TRACKER_BUSY'], 'said once');
  let greeted = (): void => undefined;
  const isGreeted = new Promise<void>((resolve) => (greeted = resolve));
  const patient = open(60_000, greeted);
  child.kill('SIGCONT');
  waiting.push(await patient);
  await isGreeted;
  t.equal(ends.length, 1);
  waiting[0]?.end(new UmbraError('TRACKER_BUSY', 'it was given up'));
  while (ends.length < 2) await setTimeout(1);
  t.strictSame(ends, ['TRACKER_BUSY', 'TRACKER_BUSY'], 'the end of one that was open is said whatever the reason');
});
