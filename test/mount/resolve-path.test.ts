import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { resolvePath } from '../../mount/resolve-path.js';
import { scratch } from '../kit/mount-server.js';

function setUp(t: Parameters<typeof scratch>[0]) {
  const top = scratch(t);
  mkdirSync(join(top, 'real/sub'), { recursive: true });
  symlinkSync('real', join(top, 'relative'));
  symlinkSync(join(top, 'real'), join(top, 'absolute'));
  symlinkSync('loop', join(top, 'loop'));
  return top;
}

t.test('like realpath, but what does not exist stays', async (t) => {
  const top = setUp(t);
  const none = new Set<string>();
  t.strictSame(await resolvePath(`${top}/relative/sub`, none), { path: `${top}/real/sub` });
  t.strictSame(await resolvePath(`${top}/absolute//./sub/`, none), { path: `${top}/real/sub` });
  t.strictSame(await resolvePath(`${top}/absolute/sub/../x/y`, none), { path: `${top}/real/x/y` });
  t.strictSame(await resolvePath('/', none), { path: '/' });
  await t.rejects(resolvePath(`${top}/loop/x`, none), { code: 'MOUNT_POINT', message: /too many/ });
});

t.test('it stops at a mount of Umbra', async (t) => {
  const top = setUp(t);
  const mount = `${top}/real/sub`;
  const mounts = new Set([mount]);
  t.strictSame(await resolvePath(`${top}/relative/sub`, mounts), { path: mount, mount });
  t.strictSame(await resolvePath(`${top}/relative/sub/vm/latest`, mounts), { path: `${mount}/vm/latest`, mount });
  t.strictSame(await resolvePath(`${top}/real`, mounts), { path: `${top}/real` });
});

t.test('a name below a file', async (t) => {
  await t.rejects(resolvePath('/etc/passwd/x', new Set()), { code: 'MOUNT_POINT', message: /ENOTDIR/ });
});
