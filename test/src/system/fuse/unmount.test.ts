import t from 'tap';
import { isDeadMount, requireFusermount, unmountPath } from '../../../../src/system/fuse/unmount.js';
import { MountServer } from '../../../kit/mount-server.js';

t.test('what is not mounted', async (t) => {
  await t.rejects(unmountPath('/does/not/exist', { lazy: false }), {
    code: 'MOUNT_FAILED',
    message: /\/does\/not\/exist/,
  });
  await t.rejects(unmountPath('/does/not/exist', { lazy: true }), { code: 'MOUNT_FAILED' });
});

t.test('a program that is missing is named', async (t) => {
  const { PATH } = process.env;
  process.env['PATH'] = '/nonexistent';
  t.teardown(() => {
    process.env['PATH'] = PATH;
  });
  await t.rejects(requireFusermount(), {
    code: 'PROGRAM_MISSING',
    message: /fusermount/,
    hint: /apt-get install fuse/,
  });
  await t.rejects(unmountPath('/x', { lazy: false }), { code: 'PROGRAM_MISSING' });
});

t.test('dead and alive', async (t) => {
  await requireFusermount();
  const server = await MountServer.start(t);
  const mountPoint = await server.mount('m');
  t.equal(await isDeadMount(mountPoint), false);
  process.kill(server.pid, 'SIGSTOP');
  t.equal(await isDeadMount(mountPoint), false, 'one that hangs is not taken for dead');
  process.kill(server.pid, 'SIGCONT');
  await server.kill();
  t.equal(await isDeadMount(mountPoint), true);
  await unmountPath(mountPoint, { lazy: true });
});
