import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { request } from '../../../kit/checkpoints.js';
import { cuttingProxy } from '../../../kit/cutting-proxy.js';
import { checkLockstep, contentsOf, makeDisks } from '../../../kit/machine-lab.js';
import { chainsOf, exactContents, imageContent, kept, overlaysIn, overlayTracker } from '../../../kit/overlays.js';
import { startMachine, waitForWrites, writeDisk } from '../../../kit/qemu-machine.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const CHILD = fileURLToPath(new URL('../../../kit/overlay-child.js', import.meta.url));

/** An agent that is killed a moment after it has said what it is at. */
async function killedAgent(args: readonly string[], until: string, afterMs: number): Promise<void> {
  const env = { PATH: process.env['PATH'] };
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'ignore'], env });
  const gone = once(child, 'exit');
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  while (!said.includes(until)) await setTimeout(1);
  await setTimeout(afterMs);
  child.kill('SIGKILL');
  await gone;
}

t.test('the agent is killed at random points of a backup', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, {
    disks: makeDisks(directory, ['raw', 'qcow2']),
    writes: true,
  });
  const tracker = overlayTracker(directory, qmpSocket);
  await waitForWrites(monitor);
  const first = await tracker.checkpoint(request('c0'));
  let { contents } = await exactContents(t, directory, first);
  await kept(first);
  let since = 'c0';
  for (const [round, until] of ['made', 'begins', 'merges'].entries()) {
    await killedAgent([directory, qmpSocket, `k${round}`, since], until, until === 'made' ? 0 : random.below(400));
    const id = `c${round + 1}`;
    const next = await tracker.checkpoint(request(id, since));
    t.match(await monitor.execute('query-status'), { status: 'running' });
    const exact = await exactContents(t, directory, next, contents);
    checkLockstep(t, exact.contents);
    // It may have been killed after it had acknowledged, or while it did: then nobody knows what changed.
    if (until === 'made') t.equal(exact.bytes.length, 2, 'it had not acknowledged');
    await kept(next);
    t.same(await chainsOf(monitor), [
      [`umbra-${id}-vda.qcow2`, 'vda.raw'],
      [`umbra-${id}-vdb.qcow2`, 'vdb.qcow2'],
    ]);
    t.same(overlaysIn(directory), [`umbra-${id}-vda.qcow2`, `umbra-${id}-vdb.qcow2`]);
    await waitForWrites(monitor);
    ({ contents } = exact);
    since = id;
  }
  await killedAgent([directory, qmpSocket, 'k9', since], 'merges', random.below(100));
  await tracker.recover();
  t.match(await monitor.execute('query-status'), { status: 'running' });
  t.same(await monitor.execute('query-jobs'), [], 'nothing of it runs on');
  await tracker.forget();
  t.same(await chainsOf(monitor), [['vda.raw'], ['vdb.qcow2']]);
  t.same(overlaysIn(directory), []);
  await waitForWrites(monitor);
});

t.test('the connection to QEMU is cut at any command', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, {
    disks: makeDisks(directory, ['raw', 'raw']),
    writes: true,
  });
  const tracker = overlayTracker(directory, qmpSocket);
  const first = await tracker.checkpoint(request('c0'));
  let { contents } = await exactContents(t, directory, first);
  await kept(first);
  const counting = await cuttingProxy(t, qmpSocket, Infinity);
  await kept(await tracker.checkpoint(request('x', 'c0')));
  await tracker.forget();
  const commands = counting.sent();
  let since: string | undefined;
  for (let round = 1; round <= 2; round += 1) {
    // One cut in each half of them.
    const at = Math.floor(((round - 1 + random.below(1000) / 1000) * commands) / 2) + 1;
    await cuttingProxy(t, qmpSocket, at);
    const cut = tracker.checkpoint(request('x', since));
    await cut
      .then(kept)
      .catch((error: unknown) => t.match(error, { code: 'TRACKER_FAILED' }, `command ${at} of ${commands}`));
    await waitForWrites(monitor);
    const id = `c${round}`;
    const next = await tracker.checkpoint(request(id, since));
    const exact = await exactContents(t, directory, next, contents);
    checkLockstep(t, exact.contents);
    await kept(next);
    t.same(await chainsOf(monitor), [
      [`umbra-${id}-vda.qcow2`, 'vda.raw'],
      [`umbra-${id}-vdb.qcow2`, 'vdb.raw'],
    ]);
    t.same(overlaysIn(directory), [`umbra-${id}-vda.qcow2`, `umbra-${id}-vdb.qcow2`]);
    ({ contents } = exact);
    since = id;
  }
  await cuttingProxy(t, qmpSocket, random.below(40) + 1);
  await tracker.forget().catch(() => undefined);
  await tracker.forget();
  t.same(await chainsOf(monitor), [['vda.raw'], ['vdb.raw']]);
  t.same(overlaysIn(directory), []);
  await waitForWrites(monitor);
});

t.test('QEMU is killed; it starts from the overlay, and from the image below', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['raw']);
  const first = await startMachine(t, directory, { disks });
  const tracker = overlayTracker(directory, first.qmpSocket);
  await kept(await tracker.checkpoint(request('c1')));
  await writeDisk(first.monitor, 'vda', 'write -P 1 1M 64k');
  await writeDisk(first.monitor, 'vda', 'flush');
  const open = await tracker.checkpoint(request('c2', 'c1'));
  const [before = Buffer.alloc(0)] = await contentsOf(open);
  const merged = open.acknowledge().catch(() => undefined);
  await first.kill();
  await merged;
  await open.close();
  const overlay = join(directory, 'umbra-c2-vda.qcow2');
  const second = await startMachine(t, directory, { disks: [{ file: overlay, format: 'qcow2', id: 'vda' }] });
  await writeDisk(second.monitor, 'vda', 'write -P 3 3M 64k');
  const next = await tracker.checkpoint(request('c3', 'c1'));
  const { contents } = await exactContents(t, directory, next);
  before.fill(3, 3 * 1024 * 1024, 3 * 1024 * 1024 + 65_536);
  t.ok(contents[0]?.equals(before), 'all that was written is there');
  await kept(next);
  t.same(await chainsOf(second.monitor), [['umbra-c3-vda.qcow2', 'vda.raw']]);
  await writeDisk(second.monitor, 'vda', 'write -P 4 4M 64k');
  await second.stop();
  // Somebody has it start from the image that it was made with, and misses what was written since.
  const third = await startMachine(t, directory, { disks });
  const astray = await tracker.checkpoint(request('c4', 'c3'));
  t.match(astray.notes, [/umbra-c3-vda.qcow2 is no part of the machine any more/, /agent/]);
  t.same((await exactContents(t, directory, astray, contents)).bytes, [0], 'the image is as it was then');
  t.same(overlaysIn(directory), ['umbra-c3-vda.qcow2', 'umbra-c4-vda.qcow2'], 'what it holds is kept');
  await kept(astray);
  await tracker.forget();
  t.same(await chainsOf(third.monitor), [['vda.raw']]);
  t.same(overlaysIn(directory), ['umbra-c3-vda.qcow2']);
  t.ok(await tracker.isInUse(), 'it is remembered');
});

t.test('what an agent left that was killed early', async (t) => {
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks: makeDisks(directory, ['raw']) });
  const tracker = overlayTracker(directory, qmpSocket);
  await kept(await tracker.checkpoint(request('c1')));
  const [empty, torn, gone] = ['e', 't', 'g'].map((id) => join(directory, `umbra-${id}-vda.qcow2`)) as [
    string,
    string,
    string,
  ];
  copyFileSync(join(directory, 'umbra-c1-vda.qcow2'), empty);
  writeFileSync(torn, 'torn');
  writeFileSync(join(directory, 'state', 'overlays.json'), JSON.stringify({ making: [empty, torn, gone] }));
  await monitor.execute('stop');
  writeFileSync(join(directory, 'state', 'standstill.json'), '{"frozen": false, "paused": true}');
  const next = await tracker.checkpoint(request('c2', 'c1'));
  t.match(await monitor.execute('query-status'), { status: 'running' });
  t.match(next.notes, [/umbra-t-vda.qcow2 is no part/, /vda: its images are not those/, /agent/]);
  await kept(next);
  t.notOk(existsSync(empty));
  t.same(overlaysIn(directory), ['umbra-c2-vda.qcow2', 'umbra-t-vda.qcow2']);
  writeFileSync(join(directory, 'state', 'overlays.json'), 'torn');
  await kept(await tracker.checkpoint(request('c3', 'c2')));
  t.same(await chainsOf(monitor), [['umbra-c3-vda.qcow2', 'vda.raw']]);
  t.equal(imageContent(join(directory, 'umbra-c3-vda.qcow2'), 'qcow2').length, 16 * 1024 * 1024);
});
