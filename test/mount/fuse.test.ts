// Through the kernel, with another process serving. These tests need /dev/fuse and never skip.
import { createHash } from 'node:crypto';
import { readdir, readFile, readlink, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { patternBytes } from '../kit/fake-source.js';
import { MountServer, run, until } from '../kit/mount-server.js';

const MIB = 1024 * 1024;
const T0 = Date.UTC(2026, 10, 22, 10, 15);

t.test('listing 3,000 shadow copies opens none of them', async (t) => {
  const server = await MountServer.start(t);
  await server.call('addMany', 'vm', 3000);
  const mountPoint = await server.mount('m');
  // The server looks into the newest by itself.
  t.ok(await until(async () => (await server.call('state')).opens === 1));
  t.equal((await readdir(join(mountPoint, 'vm'))).length, 3001);
  const long = await run('ls', '-la', join(mountPoint, 'vm'));
  t.equal(long.stdout.trim().split('\n').length, 1 + 3 + 3000);
  t.equal((await run('find', join(mountPoint, 'vm'), '-maxdepth', '1', '-type', 'd')).stdout.split('\n').length, 3002);
  t.equal((await server.call('state')).opens, 1, 'and nobody into another one');
});

t.test('a shadow copy is a directory of ordinary files', async (t) => {
  const server = await MountServer.start(t);
  const sizeBytes = 5 * MIB + 12_345;
  const version = await server.call('add', 'vm', T0, {
    config: [{ name: 'vm.xml', data: Buffer.from('<domain/>\n') }],
    volumes: [{ name: 'vda', sizeBytes, seed: 7 }],
  });
  const top = join(await server.mount('m'), 'vm', version);
  t.equal(version, '2026-11-22T10-15-00Z');
  t.strictSame(await readdir(top), ['about.json', 'config', 'files', 'volumes']);
  t.equal(await readFile(join(top, 'config/vm.xml'), 'utf8'), '<domain/>\n');
  t.match(JSON.parse(await readFile(join(top, 'about.json'), 'utf8')), { machine: 'vm', shadowCopy: version });
  const found = await stat(join(top, 'volumes/vda.raw'));
  t.match(found, { size: sizeBytes, blocks: Math.ceil(sizeBytes / 2 / 512), nlink: 1, mtimeMs: T0, mode: 0o100400 });
  t.match(found, { uid: process.getuid?.(), gid: process.getgid?.(), blksize: 4096 });
  t.match(await stat(top), { mode: 0o40555, nlink: 5, mtimeMs: T0 });
  const copy = join(server.directory, 'copy');
  t.ok((await run('cp', join(top, 'volumes/vda.raw'), copy)).ok);
  t.ok((await readFile(copy)).equals(patternBytes(7, 0, sizeBytes)));
  const middle = await run('sh', '-c', 'dd if="$1" bs=1 skip=3000000 count=777 status=none | sha256sum', 'sh', copy);
  const expected = createHash('sha256')
    .update(patternBytes(7, 3_000_000, 777))
    .digest('hex');
  t.equal(middle.stdout.split(' ')[0], expected);
  t.match(await statfs(top), { bsize: 4096, blocks: 0, bfree: 0 });
});

t.test('every write is refused with EROFS', async (t) => {
  const server = await MountServer.start(t);
  await server.call('add', 'vm', T0, { volumes: [{ name: 'vda', sizeBytes: MIB, seed: 1 }] });
  const vm = join(await server.mount('m'), 'vm');
  const volume = join(vm, 'latest/volumes/vda.raw');
  const attempts: [string, ...string[]][] = [
    ['touch', join(vm, 'new')],
    ['touch', volume],
    ['mkdir', join(vm, 'new')],
    ['rmdir', join(vm, 'latest/config')],
    ['rm', '-f', volume],
    ['chmod', '600', volume],
    ['chown', '1', volume],
    ['mv', volume, join(vm, 'moved')],
    ['ln', '-s', 'x', join(vm, 'link')],
    ['ln', volume, join(vm, 'hard')],
    ['mkfifo', join(vm, 'fifo')],
    ['truncate', '-s', '0', volume],
    ['dd', 'if=/dev/zero', `of=${volume}`, 'conv=notrunc', 'count=1'],
  ];
  for (const [program, ...args] of attempts) {
    const { ok, stderr } = await run(program, ...args);
    t.notOk(ok, program);
    t.match(stderr, /Read-only file system/, program);
  }
});

t.test('damage is EIO, and one line in the log that names the chunk', async (t) => {
  const server = await MountServer.start(t);
  await server.call('add', 'vm', T0, { volumes: [{ name: 'vda', sizeBytes: 4 * MIB, seed: 3, damagedFrom: 2 * MIB }] });
  const volume = join(await server.mount('m'), 'vm/latest/volumes/vda.raw');
  const { ok, stderr } = await run('cat', volume);
  t.notOk(ok);
  t.match(stderr, /Input\/output error/);
  const readable = await run('dd', `if=${volume}`, 'of=/dev/null', 'bs=64k', 'count=16');
  t.ok(readable.ok, 'what is not damaged can be read');
  const { logLines } = await server.call('state');
  t.match(logLines, [
    {
      level: 'error',
      message: 'mount: a request failed',
      fields: { code: 'STORE_DAMAGED', reason: /chunk c0ffee/, operation: 'read', path: /vda\.raw$/ },
    },
  ]);
  t.equal(logLines.length, 1, 'once, however often the kernel tried');
});

t.test('ten programs read at once, each the right bytes', async (t) => {
  const server = await MountServer.start(t);
  const sizeBytes = 16 * MIB + 4096;
  const volumes = Array.from({ length: 10 }, (_, seed) => ({ name: `vd${seed}`, sizeBytes, seed }));
  await server.call('add', 'vm', T0, { volumes });
  const directory = join(await server.mount('m'), 'vm/latest/volumes');
  const sums = await Promise.all(volumes.map(({ name }) => run('sha256sum', join(directory, `${name}.raw`))));
  for (const [seed, { stdout }] of sums.entries()) {
    const expected = createHash('sha256')
      .update(patternBytes(seed, 0, sizeBytes))
      .digest('hex');
    t.equal(stdout.split(' ')[0], expected, `volume ${seed}`);
  }
  t.ok(await until(async () => (await server.call('state')).openReaders === 0), 'every reader is closed');
});

t.test('what changes is asked for each time', async (t) => {
  const server = await MountServer.start(t);
  const first = await server.call('add', 'vm', T0);
  const vm = join(await server.mount('m'), 'vm');
  const second = '2026-11-22T10-16-00Z';
  t.equal(await readlink(join(vm, 'latest')), first);
  t.strictSame(await readdir(vm), [first, 'latest']);
  await t.rejects(stat(join(vm, second)), { code: 'ENOENT' });
  await t.rejects(stat(join(vm, '..', 'other')), { code: 'ENOENT' });
  await server.call('add', 'vm', T0 + 60_000);
  await server.call('add', 'other', T0);
  t.equal(await readlink(join(vm, 'latest')), second, 'link targets are not cached');
  t.match((await run('ls', join(vm, 'latest/about.json'))).ok, true);
  t.strictSame(await readdir(vm), [first, second, 'latest'], 'listings are not cached');
  t.ok((await stat(join(vm, second))).isDirectory(), 'failed look-ups are not cached');
  t.ok((await stat(join(vm, '..', 'other'))).isDirectory());
});

t.test('a forgotten shadow copy is gone when the kernel has to ask again', async (t) => {
  const server = await MountServer.start(t, { kernelCacheSeconds: 1 });
  const first = await server.call('add', 'vm', T0, { volumes: [{ name: 'vda', sizeBytes: MIB, seed: 1 }] });
  await server.call('add', 'vm', T0 + 1000);
  const vm = join(await server.mount('m'), 'vm');
  t.equal((await stat(vm)).nlink, 4);
  t.ok((await stat(join(vm, first, 'volumes/vda.raw'))).isFile());
  await server.call('forget', 'vm', first);
  t.strictSame(await readdir(vm), ['2026-11-22T10-15-01Z', 'latest'], 'at once in a listing');
  await t.rejects(readFile(join(vm, first, 'volumes/vda.raw')), { code: 'ENOENT' }, 'at once for open');
  await new Promise((resolve) => setTimeout(resolve, 1200));
  await t.rejects(stat(join(vm, first)), { code: 'ENOENT' });
  t.equal((await stat(vm)).nlink, 3);
});
