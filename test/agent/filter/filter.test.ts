// Through the kernel, with the filter in a process of its own. These tests need /dev/fuse and root, and never skip.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { FilterClient } from '../../../agent/filter/control/filter-client.js';
import type { BeginAnswer } from '../../../agent/filter/control/protocol.js';
import { messageOf } from '../../../src/common/errors.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { unmountPath } from '../../../src/system/fuse/unmount.js';
import { TestFilter } from '../../kit/filter.js';
import { Random, testSeed } from '../../kit/random.js';

const MIB = 1024 * 1024;
const BLOCK = 65_536;

/** A disk of some MiB, every 4 KiB with a number of its own. */
function disk(mib: number, salt: number): Buffer {
  const bytes = Buffer.alloc(mib * MIB);
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at / 4096 + salt * 1_000_000 + 1, at);
  return bytes;
}

const prepare = (directory: string): void => {
  writeFileSync(join(directory, 'a.img'), disk(8, 1));
  mkdirSync(join(directory, 'sub'));
  writeFileSync(join(directory, 'sub', 'b.img'), disk(4, 2));
};

const A = { name: 'vda', path: '/a.img' };
const B = { name: 'vdb', path: '/sub/b.img' };

function noise(random: Random, most: number): Buffer {
  return Buffer.alloc(random.between(1, most), random.below(256));
}

function begin(client: FilterClient, id: string, since?: string, files = [A, B]): Promise<BeginAnswer> {
  return client.begin({ group: 'vm', id, files, ...(since === undefined ? {} : { since }) });
}

function put(path: string, offset: number, bytes: Uint8Array | string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from(bytes), 0, bytes.length, offset);
  closeSync(fd);
}

async function listed(ranges: AsyncIterable<ByteRange>): Promise<ByteRange[]> {
  const all: ByteRange[] = [];
  for await (const range of ranges) all.push(range);
  return all;
}

/** The bytes that differ must lie in what is said to have changed. */
function assertCovers(t: Test, ranges: readonly ByteRange[], before: Buffer, after: Buffer, title: string): void {
  const differs = (at: number): boolean => !before.subarray(at, at + 4096).equals(after.subarray(at, at + 4096));
  for (let at = 0; at < Math.max(before.length, after.length); at += 4096) {
    const isSaid = ranges.some(({ offset, length }) => at >= offset && at < offset + length);
    if (differs(at) && !isSaid && at < after.length) {
      t.fail(`${title}: byte ${at} changed and nobody says so`);
      return;
    }
  }
  t.pass(title);
}

t.test('a view is what was there at the checkpoint, whatever is done to the files', async (t) => {
  const filter = await TestFilter.start(t, { prepare });
  const client = await filter.client();
  const [a, b] = [join(filter.directory, 'a.img'), join(filter.directory, 'sub', 'b.img')];
  const [wasA, wasB] = [readFileSync(a), readFileSync(b)];
  const held = openSync(b, 'r+');
  const view = await begin(client, 'c1');
  const [viewA = '', viewB = ''] = view.files.map(({ path }) => path);
  t.strictSame(readdirSync(join(viewB, '..', '..')).sort(), ['a.img', 'sub']);
  put(a, 100_000, 'x'.repeat(200_000));
  truncateSync(a, 3 * MIB + 5);
  truncateSync(a, 9 * MIB);
  renameSync(a, join(filter.directory, 'moved'));
  writeFileSync(a, 'another file');
  unlinkSync(b);
  writeSync(held, Buffer.alloc(MIB, 7), 0, MIB, MIB / 2);
  closeSync(held);
  t.ok(readFileSync(viewA).equals(wasA), 'written, cut, grown and renamed');
  t.ok(readFileSync(viewB).equals(wasB), 'deleted');
  t.throws(() => openSync(viewA, 'r+'), { code: 'EROFS' });
  const data = await listed(client.ranges('extents', view.token, 'vda'));
  t.strictSame(data, [{ offset: 0, length: 8 * MIB }]);
  await client.end(view.token);
  t.notOk(existsSync(viewA));
  await t.rejects(client.end(view.token), { code: 'NOT_FOUND' });
});

t.test('a view stays whole while programs write, cut and extend', async (t) => {
  const filter = await TestFilter.start(t, { prepare });
  const client = await filter.client();
  const path = join(filter.directory, 'a.img');
  const random = new Random(testSeed(t));
  const handle = await open(path, 'r+');
  let isRunning = true;
  const writer = async (): Promise<void> => {
    while (isRunning) {
      await handle.write(noise(random, 20_000), 0, undefined, random.below(8 * MIB));
      if (random.chance(0.05)) await truncate(path, random.between(4 * MIB, 8 * MIB));
    }
  };
  const writers = [writer(), writer(), writer()];
  let since: string | undefined;
  let before: Buffer | undefined;
  for (let round = 0; round < 5; round++) {
    const id = `c${round}`;
    const view = await begin(client, id, since, [A]);
    const [file] = view.files;
    const [first, again] = [readFileSync(file?.path ?? ''), readFileSync(file?.path ?? '')];
    t.ok(first.equals(again), 'the same twice');
    if (before !== undefined) {
      t.equal(file?.unknown, undefined);
      const ranges = await listed(client.ranges('changes', view.token, 'vda'));
      assertCovers(t, ranges, before, first, `changes of round ${round}`);
    }
    await client.acknowledge(view.token);
    await client.end(view.token);
    [since, before] = [id, first];
  }
  isRunning = false;
  await Promise.all(writers);
  await handle.close();
  t.equal((await client.status()).views.length, 0);
});

t.test('all files are of one instant', async (t) => {
  const filter = await TestFilter.start(t, { prepare });
  const client = await filter.client();
  // A number goes to the first file and then to the second; so the second is never ahead.
  const program = `
    const fs = require('fs');
    const [a, b] = process.argv.slice(1).map((path) => fs.openSync(path, 'r+'));
    const bytes = Buffer.alloc(4);
    for (let count = 1; ; count++) {
      bytes.writeUInt32LE(count);
      fs.writeSync(a, bytes, 0, 4, 8192);
      fs.writeSync(b, bytes, 0, 4, 8192);
    }`;
  const paths = [join(filter.directory, 'a.img'), join(filter.directory, 'sub', 'b.img')];
  const writer = spawn(process.execPath, ['-e', program, ...paths], { stdio: 'ignore' });
  const gone = once(writer, 'exit');
  t.teardown(() => writer.kill('SIGKILL'));
  while (readFileSync(paths[1] ?? '').readUInt32LE(8192) > 1_000_000) await setTimeout(5);
  for (let round = 0; round < 4; round++) {
    const view = await begin(client, `c${round}`);
    const [a = 0, b = 0] = view.files.map(({ path }) => readFileSync(path).readUInt32LE(8192));
    t.ok(a === b || a === b + 1, `${a} and ${b}`);
    t.type(view.pauseMs, 'number');
    await client.end(view.token);
  }
  writer.kill('SIGKILL');
  await gone;
});

t.test('when there is no room for copies the view is lost and the guest goes on', async (t) => {
  const filter = await TestFilter.start(t, { prepare, sideBytes: 4 * BLOCK });
  const client = await filter.client();
  const view = await begin(client, 'c1', undefined, [A]);
  const path = join(filter.directory, 'a.img');
  put(path, 0, Buffer.alloc(4 * BLOCK, 5));
  t.ok(readFileSync(view.files[0]?.path ?? '').equals(disk(8, 1)));
  put(path, MIB, Buffer.alloc(BLOCK, 6));
  t.throws(() => readFileSync(view.files[0]?.path ?? ''), { code: 'EIO' });
  t.match((await client.status()).views, [{ broken: /bytes were overwritten/ }]);
  await t.rejects(listed(client.ranges('extents', view.token, 'vda')), { code: 'IMAGE_CHANGED' });
  t.equal(readFileSync(path)[MIB], 6);
  await client.end(view.token);
  const next = await begin(client, 'c2', 'c1', [A]);
  t.strictSame(
    await listed(client.ranges('changes', next.token, 'vda')),
    [
      { offset: 0, length: 4 * BLOCK },
      { offset: MIB, length: BLOCK },
    ],
    'the changes are known all the same',
  );
});

/** For tests that leave nothing behind. */
const shared = { filter: await TestFilter.start(t, { prepare }) };

const CONNECT = `
  const socket = require('net').connect(process.argv[1]);
  socket.on('error', () => {});
  socket.pipe(process.stdout);
  const text = process.argv[2];
  socket.end(text === 'endless' ? 'x'.repeat(2 << 20) + '\\n' : text);`;

t.test('what is asked for is bounded', async (t) => {
  const { filter } = shared;
  const client = await filter.client();
  const files = Array.from({ length: 1025 }, (_, index) => ({ name: `v${index}`, path: '/a.img' }));
  for (const wish of [
    { group: 'vm', id: 'c1', files },
    { group: 'vm', id: 'c1', files: [] },
    { group: 'vm', id: 'C1', files: [A] },
    { group: '', id: 'c1', files: [A] },
    { group: 'vm', id: 'c1', since: '../x', files: [A] },
    ...['a', '/', '/../x', '//a', '/a\0', '/.', `/${'a/'.repeat(3000)}a`].map((path) => {
      return { group: 'vm', id: 'c1', files: [{ name: 'vda', path }] };
    }),
  ]) {
    await t.rejects(client.begin(wish), { code: 'BAD_ARGUMENT' });
  }
  const socket = join(filter.state, 'filter.sock');
  const ask = (text: string): string =>
    execFileSync(process.execPath, ['-e', CONNECT, socket, text], { encoding: 'utf8' });
  t.match(ask('no json\n'), /BAD_ARGUMENT.*not JSON/);
  t.match(ask('7\n{"op":"what"}\n'), /not an object.*\n.*op/);
  t.match(ask('{"op":"changes","token":"x","name":"y","from":-1}\n'), /from/);
  t.equal(ask('x'.repeat(100)), '', 'a connection that ends in a line');
  t.equal(ask('endless'), '', 'an endless line ends the connection');
  t.equal((await client.status()).views.length, 0);
});

t.test('an agent that dies leaves nothing behind; several have checkpoints at once', async (t) => {
  const { filter } = shared;
  const [client, other] = [await filter.client(), await filter.client()];
  const view = await begin(client, 'c1');
  await t.rejects(begin(other, 'c2'), { code: 'TRACKER_BUSY' }, 'of the same machine');
  const theirs = await other.begin({ group: 'another', id: 'c1', files: [A] });
  put(join(filter.directory, 'a.img'), 0, 'changed');
  for (const path of [view.files[0]?.path ?? '', theirs.files[0]?.path ?? '']) {
    t.ok(readFileSync(path).equals(disk(8, 1)));
  }
  await t.rejects(other.acknowledge(view.token), { code: 'NOT_FOUND' }, 'of another connection');
  client.close();
  while ((await other.status()).views.length > 1) await setTimeout(5);
  await other.acknowledge(theirs.token);
});

t.test('names that lead elsewhere', async (t) => {
  const { filter } = shared;
  const client = await filter.client();
  const at = (name: string): string => join(filter.directory, name);
  const unknown = async (id: string, since: string, files = [A, B]): Promise<(string | undefined)[]> => {
    const view = await begin(client, id, since, files);
    await client.end(view.token);
    return view.files.map((file) => file.unknown);
  };
  await client.end((await begin(client, 'c1')).token);
  t.strictSame(await unknown('c2', 'c1'), [undefined, undefined]);
  renameSync(at('a.img'), at('x'));
  renameSync(at('sub/b.img'), at('a.img'));
  renameSync(at('x'), at('sub/b.img'));
  t.match(await unknown('c3', 'c2'), [/another/, /another/], 'swapped');
  t.strictSame(await unknown('c4', 'c3'), [undefined, undefined]);
  renameSync(at('sub'), at('sup'));
  renameSync(at('sup'), at('sub'));
  t.match(await unknown('c5', 'c4'), [/another name/, /another name/], 'a directory above');
  linkSync(at('a.img'), at('link'));
  t.match(await unknown('c6', 'c5'), [/another name/, undefined], 'linked');
  copyFileSync(at('a.img'), at('copy'));
  renameSync(at('copy'), at('a.img'));
  t.match(await unknown('c7', 'c6'), [/another one/, undefined], 'replaced');
  unlinkSync(at('a.img'));
  writeFileSync(at('a.img'), 'new');
  t.match(await unknown('c8', 'c7'), [/another one/, undefined], 'made anew');
  t.match(await unknown('c9', 'none'), [/nothing is known/, /nothing is known/]);
  await t.rejects(begin(client, 'c10', 'c9', [{ name: 'vda', path: '/none' }]), { code: 'IMAGE_NOT_FOUND' });
  await t.rejects(begin(client, 'c10', 'c9', [{ name: 'vda', path: '/sub' }]), { code: 'IMAGE_FORMAT' });
  await client.forget('vm');
  t.match(await unknown('c11', 'c9'), [/nothing is known/, /nothing is known/]);
});

t.test('after a clean end and a new start nothing is forgotten, unless somebody wrote in between', async (t) => {
  const filter = await TestFilter.start(t, { prepare });
  const client = await filter.client();
  const first = await begin(client, 'c1');
  const before = readFileSync(first.files[0]?.path ?? '');
  await client.acknowledge(first.token);
  await client.end(first.token);
  put(join(filter.directory, 'a.img'), 2 * MIB, 'one');
  const held = openSync(join(filter.directory, 'a.img'), 'r');
  process.kill(filter.pid, 'SIGTERM');
  await setTimeout(500);
  t.ok(filter.isRunning(), 'it stays while somebody has a file open');
  closeSync(held);
  await filter.stop();
  await t.rejects(filter.client(), { code: 'TRACKER_UNAVAILABLE' });
  const writer = openSync(join(filter.directory, 'a.img'), 'r+');
  await t.rejects(filter.run(), { code: 'IMAGE_IN_USE', message: /a\.img is open for writing/ });
  closeSync(writer);
  await filter.run();
  await t.rejects(filter.run(), { code: 'MOUNT_POINT' }, 'twice');
  const again = await filter.client();
  const second = await begin(again, 'c2', 'c1');
  const ranges = await listed(again.ranges('changes', second.token, 'vda'));
  t.strictSame(ranges, [{ offset: 2 * MIB, length: BLOCK }]);
  assertCovers(t, ranges, before, readFileSync(second.files[0]?.path ?? ''), 'covered');
  await unmountPath(filter.directory, { lazy: true });
  await filter.stop().catch(messageOf);
  put(join(filter.directory, 'a.img'), 5 * MIB, 'beside');
  await filter.run();
  const third = await begin(await filter.client(), 'c3', 'c2');
  t.match(third.files, [{ unknown: /another one/ }, { name: 'vdb' }]);
  t.equal(third.files[1]?.unknown, undefined);
});

t.test('killed at any moment: whatever was written, the log says so', async (t) => {
  const filter = await TestFilter.start(t, { prepare });
  const random = new Random(testSeed(t));
  let client = await filter.client();
  const first = await begin(client, 'c0', undefined, [A]);
  let before = readFileSync(first.files[0]?.path ?? '');
  await client.end(first.token);
  for (let round = 1; round <= 3; round++) {
    const handle = await open(join(filter.directory, 'a.img'), 'r+');
    const writer = (async () => {
      for (;;) await handle.write(noise(random, 9000), 0, undefined, random.below(8 * MIB - 9000));
    })().catch(messageOf);
    await setTimeout(random.below(300));
    await filter.kill();
    await writer;
    await handle.close().catch(messageOf);
    await filter.run();
    client = await filter.client();
    const view = await begin(client, `c${round}`, `c${round - 1}`, [A]);
    const after = readFileSync(view.files[0]?.path ?? '');
    t.equal(view.files[0]?.unknown, undefined);
    assertCovers(t, await listed(client.ranges('changes', view.token, 'vda')), before, after, `round ${round}`);
    await client.acknowledge(view.token);
    await client.end(view.token);
    before = after;
  }
});

t.test('where a filter cannot be', async (t) => {
  const inside = await TestFilter.start(t, { prepare });
  await inside.stop();
  Object.assign(inside, { state: join(inside.directory, 'state') });
  await t.rejects(inside.run(), { code: 'MOUNT_POINT', message: /state directory/ });
  Object.assign(inside, { directory: join(inside.directory, 'none') });
  await t.rejects(inside.run(), { code: 'MOUNT_POINT' });
});
