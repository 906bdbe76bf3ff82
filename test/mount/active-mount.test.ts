import t from 'tap';
import { silentLog } from '../../src/common/log.js';
import { ActiveMount } from '../../mount/active-mount.js';
import type { FuseSession } from '../../mount/fuse.js';
import { findMount } from '../../mount/mount-point.js';
import { MountServer, run } from '../kit/mount-server.js';

/** A session whose mount another process serves, so that this one may follow it. */
function fakeSession(mountPoint: string) {
  const state = { over: false, finished: 0 };
  const session: FuseSession = {
    mountPoint,
    openFiles: () => 3,
    isOver: () => state.over,
    finish() {
      state.finished++;
      return Promise.resolve();
    },
  };
  return { session, state };
}

t.test('from mounted over gone to over', async (t) => {
  const server = await MountServer.start(t);
  const mountPoint = await server.mount('m');
  const { session, state } = fakeSession(mountPoint);
  const warnings: unknown[] = [];
  const log = { ...silentLog, warn: (...line: unknown[]) => void warnings.push(line) };
  const mount = await ActiveMount.start({ mountPoint }, session, log);
  t.ok(mount.isMounted);
  t.ok(mount.isAt(await findMount(mountPoint)));
  t.notOk(mount.isAt(undefined));
  t.equal(await mount.look(), false);

  t.ok((await run('fusermount', '-u', mountPoint)).ok);
  t.equal(await mount.look(), false, 'files are open in it');
  t.notOk(mount.isMounted);
  await mount.ended;
  t.strictSame(warnings, [['mount: unmounted by somebody else', { mountPoint, openFiles: 3 }]]);

  state.over = true;
  t.equal(await mount.look(), true);
  t.equal(await mount.look(), true);
  t.equal(state.finished, 1);
  await mount.unmount({ lazy: false });
});
