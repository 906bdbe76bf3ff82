import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { sendShadowCopy, type Sent } from '../../../../agent/send/send-shadow-copy.js';
import { AsIsTracker } from '../../../../agent/trackers/differencing/as-is-tracker.js';
import { toHex } from '../../../../src/codec/digest.js';
import { systemClock, type Clock } from '../../../../src/common/clock.js';
import type { DiscoveredVolume } from '../../../../src/protocol/agents-api.js';
import type { ImageFormat } from '../../../../src/protocol/api.js';
import { CHAINS_FILE, decodeChains } from '../../../../src/protocol/stored-chains.js';
import { request } from '../../../kit/checkpoints.js';
import { ingestServer } from '../../../kit/ingest.js';
import { imageContent } from '../../../kit/overlays.js';
import { holdForWriting, qemuImg, qemuIo } from '../../../kit/qemu.js';
import { runRestore } from '../../../kit/run-restore.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { openTestStore } from '../../../kit/test-store.js';

const MIB = 1024 * 1024;
/** What was written just now could be written again without a trace in its times; so all is a while ago. */
const later: Clock = { ...systemClock, now: () => systemClock.now() + 60_000 };

function disk(name: string, path: string, format: ImageFormat = 'qcow2'): DiscoveredVolume {
  return { name, path, format, backing: [] };
}

function trackerOf(directory: string, volumes: readonly DiscoveredVolume[]): AsIsTracker {
  const config = [
    { name: 'lab.xml', data: Buffer.from('<domain/>') },
    { name: CHAINS_FILE, data: Buffer.from('of the machine itself') },
  ];
  const stateFile = join(directory, 'files.json');
  return new AsIsTracker({ volumes, stateFile, readConfig: () => Promise.resolve(config), clock: later });
}

/** A raw base in a directory of its own, and two overlays on it that name what they lie on from where they are. */
async function makeChain(directory: string): Promise<(name: string) => string> {
  const file = (name: string): string => join(directory, 'images', name);
  for (const made of ['images', 'images/templates', 'images/lab']) mkdirSync(join(directory, made));
  qemuImg('create', '-q', '-f', 'raw', file('templates/base.raw'), '8M');
  await qemuIo(file('templates/base.raw'), 'raw', 'write -P 1 0 2M');
  overlay(file('lab/a.qcow2'), '../templates/base.raw', 'raw');
  await qemuIo(file('lab/a.qcow2'), 'qcow2', 'write -P 2 1M 256k');
  overlay(file('lab/b.qcow2'), 'a.qcow2', 'qcow2');
  await qemuIo(file('lab/b.qcow2'), 'qcow2', 'write -P 3 4M 64k', 'write -z 0 64k');
  return file;
}

function overlay(path: string, backing: string, format: string): void {
  qemuImg('create', '-q', '-f', 'qcow2', '-b', backing, '-F', format, path);
}

interface Lab {
  readonly server: Parameters<typeof runRestore>[0];
  /** Make a shadow copy by its files. */
  readonly backUp: (...volumes: readonly DiscoveredVolume[]) => Promise<Sent>;
}

async function startLab(t: Test, directory: string): Promise<Lab> {
  const store = await openTestStore();
  const { pool, connect } = ingestServer(store);
  t.teardown(() => pool.close());
  let checkpoints = 0;
  const backUp: Lab['backUp'] = async (...volumes) => {
    const listing = store.catalog.latest('m1');
    const record = listing && (await store.record(listing));
    const tracker = trackerOf(directory, volumes);
    const checkpoint = await tracker.checkpoint(request(`c${++checkpoints}`, record?.checkpoint));
    const roots = record?.volumes.map(({ name, sizeBytes, root }) => ({ name, sizeBytes, root: toHex(root) }));
    const sent = await sendShadowCopy({
      machine: 'm1',
      tracker: tracker.kind,
      checkpoint,
      base: record && { shadowCopy: record.name, volumes: roots ?? [] },
      connect: connect('hv1'),
      fingerprintFile: (volume) => join(directory, 'fingerprints', volume),
      clock: later,
      signal: new AbortController().signal,
    });
    await checkpoint.acknowledge();
    await checkpoint.close();
    return sent;
  };
  return { server: { store, pool }, backUp };
}

t.test('files are stored as they lie, only new ones are read, and any state is merged from them', async (t) => {
  const directory = temporaryDirectory(t);
  const file = await makeChain(directory);
  const { server, backUp } = await startLab(t, directory);
  const first = await backUp(disk('vda', file('lab/b.qcow2')));
  const before = imageContent(file('lab/b.qcow2'), 'qcow2');
  t.ok(first.readBytes > 2 * MIB);
  overlay(file('lab/c.qcow2'), file('lab/b.qcow2'), 'qcow2');
  await qemuIo(file('lab/c.qcow2'), 'qcow2', 'write -P 4 5M 128k');
  const second = await backUp(disk('vda', file('lab/c.qcow2')));
  const after = imageContent(file('lab/c.qcow2'), 'qcow2');
  const newBytes = statSync(file('lab/c.qcow2')).size;
  t.ok(second.readBytes >= 128 * 1024 && second.readBytes <= newBytes, `${second.readBytes} read of ${newBytes}`);
  t.equal((await backUp(disk('vda', file('lab/c.qcow2')))).readBytes, 0, 'nothing has changed');

  const merged = join(directory, 'merged');
  for (const [version, content] of [
    [first.shadowCopy, before],
    [second.shadowCopy, after],
  ] as const) {
    await runRestore(server, { version, to: merged, merge: true });
    t.ok(readFileSync(join(merged, 'vda.raw')).equals(content), version);
  }
  t.match(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', join(merged, 'vda.raw'), file('lab/c.qcow2')), /identical/);
  t.same(readdirSync(merged).sort(), ['config', 'vda.raw']);
  t.same(readdirSync(join(merged, 'config')).sort(), [CHAINS_FILE, 'lab.xml']);
  const fd = openSync(join(merged, 'vda.raw'), 'r+');
  for (const offset of [3 * MIB, 4 * MIB]) writeSync(fd, 'x', offset);
  closeSync(fd);
  const again = await runRestore(server, { to: join(merged, 'vda.raw'), volume: 'vda', merge: true });
  t.match(again.volumes, [
    { name: 'vda', differential: true, writtenBlocks: 2, writtenBytes: 8192, sizeBytes: 8 * MIB },
  ]);
  t.ok(readFileSync(join(merged, 'vda.raw')).equals(after));

  const restored = join(directory, 'restored');
  const { volumes } = await runRestore(server, { version: first.shadowCopy, to: restored });
  t.same(
    volumes.map(({ name, to }) => [name, to]),
    [
      ['vda.0', join(restored, 'templates/base.raw')],
      ['vda.1', join(restored, 'lab/a.qcow2')],
      ['vda.2', join(restored, 'lab/b.qcow2')],
    ],
  );
  for (const name of ['templates/base.raw', 'lab/a.qcow2', 'lab/b.qcow2']) {
    t.ok(readFileSync(join(restored, name)).equals(readFileSync(file(name))), name);
  }
  const single = join(directory, 'top.qcow2');
  await runRestore(server, { to: single, volume: 'vda.3' });
  t.ok(readFileSync(single).equals(readFileSync(file('lab/c.qcow2'))));
  renameSync(join(directory, 'images'), join(directory, 'elsewhere'));
  t.ok(imageContent(join(restored, 'lab/b.qcow2'), 'qcow2').equals(before), 'they find each other');
});

t.test('a file below several disks is stored once', async (t) => {
  const directory = temporaryDirectory(t);
  const file = await makeChain(directory);
  overlay(file('lab/other.qcow2'), '../templates/base.raw', 'raw');
  const volumes = [disk('vda', file('lab/b.qcow2')), disk('vdb', file('lab/other.qcow2'))];
  const tracker = trackerOf(directory, volumes);
  const checkpoint = await tracker.checkpoint({ ...request('c1'), volumes: ['vda', 'vdb', 'vdz'] });
  t.match(checkpoint, {
    consistency: 'offline',
    notes: ['the machine has no volume vdz'],
    volumes: [{ format: 'raw' }],
  });
  t.same(
    checkpoint.volumes.map(({ name }) => name),
    ['vda.0', 'vda.1', 'vda.2', 'vdb.1'],
  );
  const chains = decodeChains(checkpoint.config.find(({ name }) => name === CHAINS_FILE)?.data ?? Buffer.of()) ?? [];
  t.same(
    chains.map(({ disk: name, files }) => [
      name,
      ...files.map(({ volume, path, format }) => [volume, basename(path), format]),
    ]),
    [
      ['vda', ['vda.0', 'base.raw', 'raw'], ['vda.1', 'a.qcow2', 'qcow2'], ['vda.2', 'b.qcow2', 'qcow2']],
      ['vdb', ['vda.0', 'base.raw', 'raw'], ['vdb.1', 'other.qcow2', 'qcow2']],
    ],
  );
  await checkpoint.acknowledge();
  await checkpoint.close();
  const one = await tracker.checkpoint({ ...request('c2', 'c1'), volumes: ['vda'] });
  t.same(
    one.volumes.map(({ changesKnown }) => changesKnown),
    [true, true, true],
  );
  await one.close();
  await tracker.forget();
  const anew = await tracker.checkpoint(request('c3', 'c1'));
  t.notOk(
    anew.volumes.some(({ changesKnown }) => changesKnown),
    'forgotten',
  );
  await anew.close();
});

t.test('what cannot be stored as it is', async (t) => {
  const directory = temporaryDirectory(t);
  const file = await makeChain(directory);
  const attempt = (...volumes: readonly DiscoveredVolume[]): Promise<unknown> =>
    trackerOf(directory, volumes).checkpoint(request('c1'));
  const refused = (message: RegExp): { code: string; message: RegExp } => ({ code: 'IMAGE_FORMAT', message });
  const [a, b] = [file('lab/a.qcow2'), file('lab/b.qcow2')];
  const twice = attempt(disk('vda', b), disk('vdb', a, 'raw'));
  await t.rejects(twice, refused(/taken for qcow2 by one disk and for raw by another/));
  qemuImg('create', '-q', '-f', 'vmdk', file('old.vmdk'), '1M');
  await t.rejects(attempt(disk('vda', file('old.vmdk'), 'vmdk')), refused(/is a vmdk image/));
  qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${file('data')}`, file('parts.qcow2'), '1M');
  await t.rejects(attempt(disk('vda', file('parts.qcow2'))), refused(/data in other files/));
  await t.rejects(attempt(disk('v'.repeat(63), a)), { code: 'BAD_NAME' });
  await t.rejects(attempt(), { code: 'TRACKER_UNAVAILABLE', message: /no volume/ });
  const signal = AbortSignal.abort();
  await t.rejects(trackerOf(directory, [disk('vda', a)]).checkpoint({ ...request('c1'), signal }), {
    code: 'CANCELLED',
  });
  const release = await holdForWriting(t, b, 'qcow2');
  await t.rejects(attempt(disk('vda', b)), { code: 'IMAGE_IN_USE' }, 'while it runs');
  await release();
  const qemu = await attempt(disk('vda', a));
  t.ok(qemu, 'nobody holds it any more');
  await (qemu as { readonly close: () => Promise<void> }).close();
  qemuImg('rebase', '-u', '-f', 'qcow2', '-b', b, '-F', 'qcow2', a);
  await t.rejects(attempt(disk('vda', b)), refused(/is its own backing file/));
  qemuImg('rebase', '-u', '-f', 'qcow2', '-b', 'nbd://127.0.0.1:1', '-F', 'raw', a);
  await t.rejects(attempt(disk('vda', b)), refused(/not a local file/));
});

t.test('a file that is replaced while its chain is looked at', async (t) => {
  const directory = temporaryDirectory(t);
  const file = await makeChain(directory);
  const [a = '', other = ''] = ['lab/a.qcow2', 'lab/other.qcow2'].map(file);
  overlay(other, '../templates/base.raw', 'raw');
  const readConfig = (): Promise<never[]> => {
    renameSync(other, a);
    return Promise.resolve([]);
  };
  const stateFile = join(directory, 'files.json');
  const tracker = new AsIsTracker({ volumes: [disk('vda', a)], stateFile, readConfig, clock: later });
  await t.rejects(tracker.checkpoint(request('c1')), { code: 'IMAGE_CHANGED', message: /was replaced/ });
});
