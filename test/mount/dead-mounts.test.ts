import t from 'tap';
import { silentLog } from '../../src/common/log.js';
import { cleanDeadMounts, cleanIfDead, isUmbraMount } from '../../mount/dead-mounts.js';
import { readMounts } from '../../src/system/mounts.js';
import { MountServer } from '../kit/mount-server.js';

async function mountedAt(mountPoint: string): Promise<boolean> {
  return (await readMounts()).some((entry) => isUmbraMount(entry) && entry.mountPoint === mountPoint);
}

t.test('dead mounts go, live ones stay', async (t) => {
  const [dead, live] = [await MountServer.start(t), await MountServer.start(t)];
  const [deadPoint, livePoint] = [await dead.mount('d'), await live.mount('l')];
  t.equal(await cleanIfDead(deadPoint, silentLog), false);
  await dead.kill();
  const lines: unknown[] = [];
  await cleanDeadMounts({ ...silentLog, info: (message, fields) => lines.push([message, fields]) });
  t.notOk(await mountedAt(deadPoint));
  t.ok(await mountedAt(livePoint));
  t.match(lines, [['mount: took away a dead mount', { mountPoint: deadPoint }]]);
});

t.test('several that clean at once do not complain of each other', async (t) => {
  const server = await MountServer.start(t);
  const mountPoint = await server.mount('m');
  await server.kill();
  const warnings: unknown[] = [];
  const log = { ...silentLog, warn: (message: string) => warnings.push(message) };
  await Promise.all(Array.from({ length: 4 }, () => cleanDeadMounts(log)));
  t.same(warnings, []);
  t.notOk(await mountedAt(mountPoint));
});

t.test('a dead mount that the kernel still remembers well is seen to be dead', async (t) => {
  const server = await MountServer.start(t);
  const mountPoint = await server.mount('m');
  t.equal(await cleanIfDead(mountPoint, silentLog), false, 'asked a moment ago');
  await server.kill();
  t.equal(await cleanIfDead(mountPoint, silentLog), true);
  t.notOk(await mountedAt(mountPoint));
});

t.test('a directory without a mount is not dead', async (t) => {
  t.equal(await cleanIfDead('/tmp', silentLog), false);
  t.equal(await cleanIfDead('/does/not/exist', silentLog), false);
});
