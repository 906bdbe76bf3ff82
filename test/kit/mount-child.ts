/**
 * A process that serves mounts of a fake source, told what to do by its parent: a process must not
 * touch a mount that it serves, so the tests can't serve any themselves.
 */
import { spawn } from 'node:child_process';
import { isUmbraError, messageOf } from '../../src/common/errors.js';
import type { Log, LogFields } from '../../src/common/log.js';
import { systemClock } from '../../src/common/clock.js';
import { FilesService } from '../../mount/files/files-service.js';
import { findDevices } from '../../mount/files/find-devices.js';
import { knownThreads } from '../../mount/fuse.js';
import { openMounts, type Mounts } from '../../mount/mounts.js';
import { FakeSource } from './fake-source.js';
import type { MountChildApi, MountChildCall, MountChildReply, MountChildState } from './mount-child-api.js';

const source = new FakeSource();
const ended: string[] = [];
const logLines: MountChildState['logLines'][number][] = [];
let mounts: Mounts | undefined;

function record(level: string): (message: string, fields?: LogFields) => void {
  return (message, fields = {}) => {
    logLines.push({ level, message, fields });
  };
}

const log: Log = { info: record('info'), warn: record('warn'), error: record('error') };

/** The event loop's handles of the kind that fuse-native makes for each thread. */
function asyncHandles(): number {
  const { libuv } = process.report.getReport() as { readonly libuv: readonly { readonly type: string }[] };
  return libuv.filter(({ type }) => type === 'async').length;
}

function table(): Mounts {
  if (mounts === undefined) throw new Error('call openMounts first');
  return mounts;
}

const api: MountChildApi = {
  async openMounts(options) {
    const files = new FilesService({ source, find: findDevices, clock: systemClock, log });
    mounts = await openMounts({ ...options, source, files, log });
  },
  async mount({ allowOther = false, ...request }) {
    const mount = await table().mount({ ...request, allowOther });
    void mount.ended.then(() => ended.push(mount.info.mountPoint));
    return mount.info;
  },
  unmount: (mountPoint) => table().unmount(mountPoint),
  list: () => Promise.resolve(table().list()),
  close: () => table().close(),
  add: (machine, timeMs, parts) => Promise.resolve(source.add(machine, timeMs, parts)),
  addMany(machine, count) {
    for (let i = 0; i < count; i++) {
      source.add(machine, 1.7e12 + i * 60_000, { volumes: [{ name: 'vda', sizeBytes: 1e9, seed: i }] });
    }
    return Promise.resolve();
  },
  forget(machine, name) {
    source.forget(machine, name);
    return Promise.resolve();
  },
  state() {
    const { opens, openReaders } = source;
    return Promise.resolve({
      opens,
      openReaders,
      threads: knownThreads(),
      asyncHandles: asyncHandles(),
      ended,
      logLines,
    });
  },
  setOpenDelay(ms) {
    source.openDelayMs = ms;
    return Promise.resolve();
  },
  startSleeper() {
    const sleeper = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
    sleeper.unref();
    return Promise.resolve(sleeper.pid ?? 0);
  },
};

/** Both sides are typed by MountChildApi; only the way between them is not. */
const methods = api as unknown as Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;

async function answer({ id, method, args }: MountChildCall): Promise<MountChildReply> {
  try {
    return { id, value: await methods[method]?.(...args) };
  } catch (error) {
    if (!isUmbraError(error)) return { id, error: { code: 'NOT_OURS', message: messageOf(error) } };
    const { code, message, hint } = error;
    return { id, error: { code, message, ...(hint !== undefined && { hint }) } };
  }
}

process.on('message', (call: MountChildCall) => {
  void answer(call).then((reply) => process.send?.(reply));
});
