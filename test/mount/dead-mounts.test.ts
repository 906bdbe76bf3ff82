import t from 'tap';
import { silentLog } from '../../src/common/log.js';
import { cleanDeadMounts, cleanIfDead, isUmbraMount } from '../../mount/dead-mounts.js';
import { readMounts } from '../../src/system/mounts.js';
import { MountServer } from '../kit/mount-server.js';

async function mountedAt(mountPoint: string): Promise<boolean> {
  return (await readMounts()).some((entry) => isUmbraMount(entry) && entry.mountPoint === mountPoint);
}

/** Any server of this user takes away dead mounts when it starts, one of another test as well: then it is tried once more. */
async function unlessTaken(attempt: () => Promise<boolean>): Promise<boolean> {
  return (await attempt()) || (await attempt()) || (await attempt());
}

t.test('dead mounts go, live ones stay', async (t) => {
  const live = await MountServer.start(t);
  const livePoint = await live.mount('l');
  const isLogged = await unlessTaken(async () => {
    const dead = await MountServer.start(t);
    const deadPoint = await dead.mount('d');
    t.equal(await cleanIfDead(deadPoint, silentLog), false);
    await dead.kill();
    const taken: unknown[] = [];
    const info = (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (message === 'mount: took away a dead mount') taken.push(fields?.['mountPoint']);
    };
    await cleanDeadMounts({ ...silentLog, info });
    t.notOk(await mountedAt(deadPoint));
    t.notOk(taken.includes(livePoint));
    return taken.includes(deadPoint);
  });
  t.ok(isLogged);
  t.ok(await mountedAt(livePoint));
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

t.test('several that take the same one away at once have all done so', async (t) => {
  const isTaken = await unlessTaken(async () => {
    const server = await MountServer.start(t);
    const mountPoint = await server.mount('m');
    await server.kill();
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => cleanIfDead(mountPoint, silentLog)));
    return !outcomes.includes(false);
  });
  t.ok(isTaken);
});

t.test('a dead mount that the kernel still remembers well is seen to be dead', async (t) => {
  const isSeen = await unlessTaken(async () => {
    const server = await MountServer.start(t);
    const mountPoint = await server.mount('m');
    t.equal(await cleanIfDead(mountPoint, silentLog), false, 'asked a moment ago');
    await server.kill();
    const isClean = await cleanIfDead(mountPoint, silentLog);
    t.notOk(await mountedAt(mountPoint));
    return isClean;
  });
  t.ok(isSeen);
});

t.test('a directory without a mount is not dead', async (t) => {
  t.equal(await cleanIfDead('/tmp', silentLog), false);
  t.equal(await cleanIfDead('/does/not/exist', silentLog), false);
});
