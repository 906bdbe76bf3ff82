import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { QmpClient } from '../../../../agent/qemu/qmp.js';
import type { Checkpoint } from '../../../../agent/trackers/tracker.js';
import { applyChanges, bitmapTracker, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { cuttingProxy } from '../../../kit/cutting-proxy.js';
import { fakeGuestAgent } from '../../../kit/fake-lines.js';
import { atRest, checkLockstep, contentsOf, leftIn, makeDisks } from '../../../kit/machine-lab.js';
import { Random, testSeed } from '../../../kit/random.js';
import { namesIn, startMachine, waitForWrites, writeDisk } from '../../../kit/qemu-machine.js';
import { qemuImg } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const CHILD = fileURLToPath(new URL('../../../kit/checkpoint-child.js', import.meta.url));

async function kept(checkpoint: Checkpoint): Promise<void> {
  await checkpoint.acknowledge();
  await checkpoint.close();
}

t.test('QEMU is killed: bitmaps that are gone, and that are inconsistent', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const first = await startMachine(t, directory, { disks });
  await kept(await bitmapTracker(directory, first.qmpSocket).checkpoint(request('c1')));
  await first.kill();
  const second = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, second.qmpSocket);
  const gone = await tracker.checkpoint(request('c2', 'c1'));
  t.match(gone.notes, [/vda: its bitmap .* is not there: QEMU died/, /vdb/, /guest agent/]);
  t.notOk(gone.volumes.some(({ changesKnown }) => changesKnown));
  await kept(gone);
  await second.stop();
  const third = await startMachine(t, directory, { disks });
  await writeDisk(third.monitor, 'vda', 'write -P 5 0 64k');
  await writeDisk(third.monitor, 'vda', 'flush');
  await third.kill();
  const fourth = await startMachine(t, directory, { disks });
  const broken = await tracker.checkpoint(request('c3', 'c2'));
  t.match(broken.notes, [/vda: its bitmap is inconsistent/, /vdb: its bitmap is inconsistent/, /guest agent/]);
  t.notOk(broken.volumes.some(({ changesKnown }) => changesKnown));
  t.equal((await contentOf(volumeOf(broken, 'vda')))[0], 5);
  await kept(broken);
  t.same(await namesIn(fourth.monitor), atRest(disks, 'c3'));
});

t.test('QEMU is killed while it is read', async (t) => {
  const directory = temporaryDirectory(t);
  const machine = await startMachine(t, directory, { disks: makeDisks(directory) });
  const checkpoint = await bitmapTracker(directory, machine.qmpSocket).checkpoint(request('c1'));
  await machine.kill();
  await t.rejects(volumeOf(checkpoint, 'vda').read(Buffer.alloc(4096), 0), { code: 'IMAGE_CHANGED', message: /vda/ });
  await t.rejects(contentOf(volumeOf(checkpoint, 'vdb')), { code: 'IMAGE_CHANGED', message: /vdb/ });
  await t.rejects(bitmapTracker(directory, machine.qmpSocket).checkpoint(request('c2', 'c1')), {
    code: 'TRACKER_UNAVAILABLE',
  });
  await checkpoint.close();
  await checkpoint.close();
});

t.test('the agent is killed at random points of a backup', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const machine = await startMachine(t, directory, { disks, writes: true });
  const tracker = bitmapTracker(directory, machine.qmpSocket);
  await waitForWrites(machine.monitor);
  const first = await tracker.checkpoint(request('c0'));
  let contents = await contentsOf(first);
  await kept(first);
  let since = 'c0';
  for (let round = 0; round < 3; round += 1) {
    const args = [CHILD, directory, machine.qmpSocket, `k${round}`, since];
    // Without what the test runner would load into it.
    const env = { PATH: process.env['PATH'] };
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], env });
    const gone = once(child, 'exit');
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    // Once in the midst of reading; else what it is at is left to chance: it takes some 100 ms for its work.
    const until = round === 0 ? 'made' : 'begins';
    while (!said.includes(until)) await setTimeout(1);
    if (round > 0) await setTimeout(random.below(130));
    child.kill('SIGKILL');
    await gone;
    const next = await tracker.checkpoint(request(`c${round + 1}`, since));
    t.match(await machine.monitor.execute('query-status'), { status: 'running' });
    const whole = await contentsOf(next);
    checkLockstep(t, whole);
    for (const [index, volume] of next.volumes.entries()) {
      // It may have been killed after it had acknowledged: then nobody knows what changed since c0.
      if (!volume.changesKnown) continue;
      const { content } = await applyChanges(volume, contents[index] ?? Buffer.alloc(0));
      t.ok(content.equals(whole[index] ?? Buffer.alloc(0)), 'exact');
    }
    await kept(next);
    t.same(await namesIn(machine.monitor), atRest(disks, next.id));
    t.same(leftIn(directory), []);
    await waitForWrites(machine.monitor);
    if (round === 0)
      t.ok(
        next.volumes.every(({ changesKnown }) => changesKnown),
        'it had not acknowledged',
      );
    contents = whole;
    since = next.id;
  }
});

t.test('the connection to QEMU is cut at any command', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks, writes: true });
  const tracker = bitmapTracker(directory, qmpSocket);
  await waitForWrites(monitor);
  const first = await tracker.checkpoint(request('c0'));
  let contents = await contentsOf(first);
  await kept(first);
  const counting = await cuttingProxy(t, qmpSocket, Infinity);
  await (await tracker.checkpoint(request('x', 'c0'))).close();
  const commands = counting.sent();
  for (let round = 1; round <= 4; round += 1) {
    // One cut in each quarter of them.
    const at = Math.floor(((round - 1 + random.below(1000) / 1000) * commands) / 4) + 1;
    await cuttingProxy(t, qmpSocket, at);
    const since = round === 1 ? 'c0' : `c${round - 1}`;
    const cut = tracker.checkpoint(request('x', since));
    // The last commands are those of closing it.
    await cut.then(
      (checkpoint) => checkpoint.close(),
      (error: unknown) => t.match(error, { code: 'TRACKER_FAILED' }, `command ${at} of ${commands}`),
    );
    await waitForWrites(monitor);
    const next = await tracker.checkpoint(request(`c${round}`, since));
    t.ok(next.volumes.every(({ changesKnown }) => changesKnown));
    const whole = await contentsOf(next);
    checkLockstep(t, whole);
    for (const [index, volume] of next.volumes.entries()) {
      const { content } = await applyChanges(volume, contents[index] ?? Buffer.alloc(0));
      t.ok(content.equals(whole[index] ?? Buffer.alloc(0)), 'exact');
    }
    await kept(next);
    t.same(await namesIn(monitor), atRest(disks, next.id));
    t.same(leftIn(directory), []);
    contents = whole;
  }
});

t.test('the scratch disk is full: the view is lost, the guest writes on', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const scratch = join(directory, 'scratch');
  mkdirSync(scratch);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'umbra-test', scratch]);
  try {
    const machine = await startMachine(t, directory, { disks, writes: true });
    await waitForWrites(machine.monitor, 400);
    const tracker = bitmapTracker(directory, machine.qmpSocket);
    const checkpoint = await tracker.checkpoint(request('c1'));
    await waitForWrites(machine.monitor, 400);
    await t.rejects(contentsOf(checkpoint), { code: 'IMAGE_CHANGED', message: /no room/, hint: /scratch/ });
    t.match(await machine.monitor.execute('query-status'), { status: 'running' });
    await checkpoint.close();
    await waitForWrites(machine.monitor);
    t.same(await namesIn(machine.monitor), atRest(disks, 'c1'));
    await machine.kill();
  } finally {
    // Lazily: a QEMU of a test that failed may hold it.
    execFileSync('umount', ['-l', scratch]);
  }
});

t.test('a disk is too slow for what is to be put aside: the view is lost, and why is said', async (t) => {
  const directory = temporaryDirectory(t);
  const [base, top] = [join(directory, 'base.raw'), join(directory, 'vda.qcow2')];
  writeFileSync(base, Buffer.alloc(1024 * 1024, 1));
  // Four seconds for 64 KiB, after the first.
  const slow = { driver: 'throttle', 'throttle-group': 'slow', file: { driver: 'file', filename: base } };
  const backing = `json:${JSON.stringify({ driver: 'raw', file: slow })}`;
  qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', backing, top, '1M');
  const node = { driver: 'qcow2', 'node-name': 'disk-vda', file: { driver: 'file', filename: top } };
  const args = ['-object', 'throttle-group,id=slow,x-bps-read=16384', '-blockdev', JSON.stringify(node)];
  const device = ['-device', 'ide-hd,bus=ide.0,drive=disk-vda,id=vda'];
  const machine = await startMachine(t, directory, { disks: [], args: [...args, ...device] });
  const tracker = bitmapTracker(directory, machine.qmpSocket, { copySeconds: 1 });
  const checkpoint = await tracker.checkpoint(request('c1'));
  for (const place of ['0', '64k', '128k']) await writeDisk(machine.monitor, 'vda', `write -P 2 ${place} 64k`);
  await t.rejects(volumeOf(checkpoint, 'vda').read(Buffer.alloc(4096), 512 * 1024), {
    code: 'IMAGE_CHANGED',
    message: /could not put aside within 1 s/,
    hint: /less is written/,
  });
  t.match(await machine.monitor.execute('query-status'), { status: 'running' });
  await checkpoint.close();
  await machine.kill();
});

t.test('a guest agent that hangs in a freeze', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const machine = await startMachine(t, directory, { disks });
  const agent = await fakeGuestAgent(t, (command) => (command.endsWith('freeze') ? undefined : { return: 1 }));
  const tracker = bitmapTracker(directory, machine.qmpSocket, { guestAgentSocket: agent.path, freezeMs: 50 });
  const checkpoint = await tracker.checkpoint(request('c1'));
  t.match(checkpoint, { consistency: 'crash', notes: [/did not answer guest-fsfreeze-freeze within 50 ms/] });
  t.same(agent.commands, ['guest-get-fsinfo', 'guest-fsfreeze-freeze', 'guest-fsfreeze-thaw']);
  t.match(await machine.monitor.execute('query-status'), { status: 'running' });
  await checkpoint.close();
  t.same(leftIn(directory), []);
});

t.test('a guest agent that works; a machine that is paused stays so', async (t) => {
  const directory = temporaryDirectory(t);
  const machine = await startMachine(t, directory, { disks: makeDisks(directory) });
  const agent = await fakeGuestAgent(t, () => ({ return: 1 }));
  const tracker = bitmapTracker(directory, machine.qmpSocket, { guestAgentSocket: agent.path });
  const calm = await tracker.checkpoint(request('c1'));
  // A fake one serves any number of connections; the real one would not.
  await agent.noClient();
  t.match(calm, { consistency: 'filesystem', notes: [] });
  t.same(agent.commands.splice(0), ['guest-get-fsinfo', 'guest-fsfreeze-freeze', 'guest-fsfreeze-thaw']);
  await calm.close();
  await machine.monitor.execute('stop');
  const paused = await tracker.checkpoint(request('c2'));
  t.match(paused, { consistency: 'crash', notes: [/was paused/] });
  await paused.close();
  t.match(await machine.monitor.execute('query-status'), { status: 'paused' });
  t.same(agent.commands, []);
  await machine.monitor.execute('cont');
  const nobody = bitmapTracker(directory, machine.qmpSocket, { guestAgentSocket: join(directory, 'nobody') });
  const without = await nobody.checkpoint(request('c3'));
  t.match(without, { consistency: 'crash', notes: [/nobody answers/] });
  await without.close();
});

t.test('what can not be taken away is said', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks });
  const filename = join(directory, 'vdc');
  execFileSync('truncate', ['-s', '1M', filename]);
  await monitor.execute('blockdev-add', { driver: 'file', 'node-name': 'umbra-scratch-9', filename });
  await monitor.execute('blockdev-add', { driver: 'raw', 'node-name': 'theirs', file: 'umbra-scratch-9' });
  const tracker = bitmapTracker(directory, qmpSocket);
  await t.rejects(tracker.checkpoint(request('c1')), {
    code: 'TRACKER_FAILED',
    message: /could not be removed: .*umbra-scratch-9/,
  });
  await monitor.execute('blockdev-del', { 'node-name': 'theirs' });
  await tracker.forget();
  t.same(await namesIn(monitor), atRest(disks));
});

t.test("a server that was noted is gone with its QEMU, and today's is another's", async (t) => {
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks: makeDisks(directory) });
  const tracker = bitmapTracker(directory, qmpSocket);
  const noted = (socketPath: string): void => {
    writeFileSync(join(directory, 'state', 'nbd.json'), JSON.stringify({ socketPath }));
  };
  const start = { addr: { type: 'unix', data: { path: join(directory, 'foreign') } } };
  await monitor.execute('nbd-server-start', start);
  mkdirSync(join(directory, 'umbra-nbd-abcdef'));
  for (const path of [join(directory, 'umbra-nbd-abcdef', 'socket'), join(directory, 'state', 'x')]) {
    noted(path);
    await tracker.forget();
    await t.rejects(monitor.execute('nbd-server-start', start), { message: /already running/ });
  }
  t.ok(existsSync(join(directory, 'state')), 'no directory of ours by its name');
  t.notOk(existsSync(join(directory, 'umbra-nbd-abcdef')));
  writeFileSync(join(directory, 'state', 'nbd.json'), 'torn');
  await tracker.forget();
  await monitor.execute('nbd-server-stop');
});

t.test('an agent was killed while the machine stood still', async (t) => {
  const directory = temporaryDirectory(t);
  const machine = await startMachine(t, directory, { disks: makeDisks(directory) });
  const agent = await fakeGuestAgent(t, () => ({ return: 1 }));
  const tracker = bitmapTracker(directory, machine.qmpSocket, { guestAgentSocket: agent.path });
  mkdirSync(join(directory, 'scratch', 'umbra-scratch-abcdef'));
  await machine.monitor.execute('stop');
  writeFileSync(join(directory, 'state', 'standstill.json'), '{"frozen": true, "paused": true}');
  await tracker.forget();
  t.match(await machine.monitor.execute('query-status'), { status: 'running' });
  t.same(agent.commands, ['guest-fsfreeze-thaw']);
  t.same(leftIn(directory), []);
});

t.test("another program's NBD server is left alone, and its exports and bitmaps", async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, qmpSocket);
  const start = { addr: { type: 'unix', data: { path: join(directory, 'foreign') } } };
  await monitor.execute('nbd-server-start', start);
  await monitor.execute('block-export-add', { type: 'nbd', id: 'theirs', 'node-name': 'disk-vda', name: 'x' });
  await monitor.execute('block-dirty-bitmap-add', { node: 'disk-vda', name: 'theirs' });
  await t.rejects(tracker.checkpoint(request('c1')), { code: 'TRACKER_BUSY', hint: /nbd-server-stop/ });
  const theirs = ['bitmap theirs', 'export theirs'];
  t.same(await namesIn(monitor), [...theirs, ...atRest(disks)].sort());
  t.same(leftIn(directory), []);
  await monitor.execute('block-export-del', { id: 'theirs', mode: 'hard' });
  await monitor.execute('nbd-server-stop');
  const checkpoint = await tracker.checkpoint(request('c1'));
  await monitor.execute('block-export-add', { type: 'nbd', id: 'theirs', 'node-name': 'disk-vda', name: 'x' });
  const busy = await QmpClient.open({ socketPath: qmpSocket, greetingMs: 100 }).catch((error: unknown) => error);
  t.match(busy, { code: 'TRACKER_BUSY' });
  await checkpoint.close();
  t.ok((await namesIn(monitor)).includes('export theirs'), 'on our server: it stays');
  await monitor.execute('nbd-server-stop');
});

t.test('a QEMU that runs as another user can reach what is made for it', async (t) => {
  const NOBODY = 65_534;
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  for (const path of [directory, ...disks.map(({ file }) => file)]) chownSync(path, NOBODY, -1);
  const { qmpSocket } = await startMachine(t, directory, { disks, user: NOBODY });
  const checkpoint = await bitmapTracker(directory, qmpSocket).checkpoint(request('c1'));
  const nbd = readdirSync(directory).find((name) => name.startsWith('umbra-nbd-')) ?? '';
  t.match(statSync(join(directory, nbd)), { uid: NOBODY, mode: 0o40700 });
  t.equal((await contentsOf(checkpoint)).length, 2);
  await kept(checkpoint);
  t.same(leftIn(directory), []);
});
