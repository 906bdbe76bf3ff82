import t from 'tap';
import { FilesService } from '../../../mount/files/files-service.js';
import type { FindDevices, GuestContent, GuestVolume } from '../../../mount/files/guest-device.js';
import { IDLE_MS } from '../../../mount/files/volume-source.js';
import type { ShadowCopySummary } from '../../../mount/source.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import { FakeFilesystem } from '../../kit/filesystems/fake-filesystem.js';
import { FakeSource, patternBytes } from '../../kit/fake-source.js';
import { ManualClock } from '../../kit/manual-clock.js';

const T0 = Date.UTC(2026, 10, 22, 10, 15);
const VOLUMES = [{ name: 'vda', sizeBytes: 1_000_000, seed: 1 }];

/** A service whose machines have one device for each volume; `open` says what it holds. */
function setUp(open: (volume: GuestVolume) => Promise<GuestContent> | GuestContent) {
  const source = new FakeSource();
  const clock = new ManualClock();
  const state = { finds: 0, opens: 0 };
  const find: FindDevices = async (volumes) => {
    state.finds++;
    for (const volume of volumes) await volume.source.read(new Uint8Array(512), 0);
    return volumes.map((volume) => ({
      name: `${volume.name}1`,
      sizeBytes: volume.source.sizeBytes,
      open: async () => {
        state.opens++;
        return await open(volume);
      },
    }));
  };
  const service = new FilesService({ source, find, clock, log: silentLog });
  const add = (machine: string, minute = 0, volumes = VOLUMES): ShadowCopySummary => {
    const timeMs = T0 + minute * 60_000;
    return { name: source.add(machine, timeMs, { volumes }), timeMs };
  };
  return { source, clock, state, service, add };
}

t.test('a shadow copy is opened once, and a file system when it is asked for', async (t) => {
  const { service, state, source, add } = setUp(({ source }) => ({ filesystem: new FakeFilesystem(source) }));
  const summary = add('vm', 0, [...VOLUMES, { name: 'vdb', sizeBytes: 5000, seed: 2 }]);
  const [files, again] = await Promise.all([service.open('vm', summary), service.open('vm', summary)]);
  t.equal(files, again);
  t.strictSame(state, { finds: 1, opens: 0 });
  t.strictSame(files.names, ['vda1', 'vdb1']);
  const [guest, same] = await Promise.all([files.guest('vda1'), files.guest('vda1')]);
  t.equal(guest?.filesystem, same?.filesystem);
  t.equal(guest?.sizeBytes, 1_000_000);
  t.equal(state.opens, 1);
  t.equal(await files.guest('vdc1'), undefined);
  t.strictSame(
    (await files.guests()).map(({ name }) => name),
    ['vda1', 'vdb1'],
  );
  t.equal(state.opens, 2);
  t.equal(source.opens, 1);
});

t.test('looking never keeps a shadow copy, and its volumes are closed again', async (t) => {
  const { service, clock, source, add } = setUp(({ source }) => {
    const filesystem = new FakeFilesystem(source);
    filesystem.add('a', {}, { content: { offset: 100, length: 10 } });
    return { filesystem };
  });
  const summary = add('vm');
  const filesystem = (await (await service.open('vm', summary)).guest('vda1'))?.filesystem;
  const item = await filesystem?.lookup(filesystem.root, 'a');
  const file = await filesystem?.open(item?.id ?? 0);
  const bytes = new Uint8Array(10);
  await file?.read(bytes, 0);
  t.strictSame(Buffer.from(bytes), Buffer.from(patternBytes(1, 100, 10)));
  t.equal(source.openReaders, 1);
  t.equal(source.holders.size, 0);
  clock.advance(IDLE_MS);
  t.equal(source.openReaders, 0);
  await file?.read(bytes, 0);
  t.equal(source.openReaders, 1);
  const giveBack = await (await service.open('vm', summary)).keep('a file is open in a mount');
  t.strictSame([...source.holders], ['a file is open in a mount']);
  giveBack();
  t.equal(source.holders.size, 0);
  source.forget('vm', summary.name);
  service.forget('vm', summary.name);
  t.equal(service.size, 0);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(source.openReaders, 0);
  await t.rejects(async () => await file?.read(bytes, 0), { code: 'NOT_FOUND' });
});

t.test('what was used last stays open, within bounds', async (t) => {
  const { service, state, source, add } = setUp(({ source }) => ({ filesystem: new FakeFilesystem(source) }));
  const summaries = Array.from({ length: 40 }, (_, minute) => add('vm', minute));
  for (const summary of summaries) await (await service.open('vm', summary)).guests();
  t.equal(service.size, 32);
  t.equal(state.finds, 40);
  await service.open('vm', summaries[39] ?? add('vm', 100));
  t.equal(state.finds, 40, 'open');
  await service.open('vm', summaries[0] ?? add('vm', 100));
  t.equal(state.finds, 41, 'opened again');
  t.ok(source.openReaders <= 32);
  service.close();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(source.openReaders, 0);
});

t.test('file systems that take much memory are fewer', async (t) => {
  const { service, add } = setUp(({ source }) => {
    const filesystem = new FakeFilesystem(source);
    filesystem.memoryBytes = 30 * 1024 * 1024;
    return { filesystem };
  });
  for (const summary of [0, 1, 2, 3].map((minute) => add('vm', minute))) {
    await (await service.open('vm', summary)).guests();
  }
  t.equal(service.size, 2);
  const small = new FakeFilesystem();
  t.ok(small.memoryBytes < 10_000);
});

t.test('errors are not kept', async (t) => {
  const { service, source, state, add } = setUp(({ source }) => ({ filesystem: new FakeFilesystem(source) }));
  const summary = add('vm');
  source.openError = new UmbraError('STORE_DAMAGED', 'node c0ffee is damaged');
  await t.rejects(async () => await service.open('vm', summary), { code: 'STORE_DAMAGED' });
  t.equal(service.size, 0);
  source.openError = undefined;
  t.strictSame((await service.open('vm', summary)).names, ['vda1']);
  t.equal(state.finds, 1);
  const damaged = add('vm', 1, [{ name: 'vda', sizeBytes: 1000, seed: 1, damagedFrom: 0 } as (typeof VOLUMES)[number]]);
  await t.rejects(async () => await service.open('vm', damaged), { code: 'STORE_DAMAGED' });
  t.equal(source.openReaders, 1, 'only the first one');
});

t.test('what can not be read is said in words; what the store could not give is tried again', async (t) => {
  let error = new UmbraError('STORE_DAMAGED', 'chunk c0ffee is damaged', { hint: 'Run "umbra verify".' });
  const { service, state, clock, add } = setUp(() => Promise.reject(error));
  const files = await service.open('vm', add('vm'));
  const text =
    'The files of vda1 cannot be shown: chunk c0ffee is damaged.\nRun "umbra verify".\nThe raw volume stands in volumes/, as it was.\n';
  t.strictSame(await files.guest('vda1'), {
    name: 'vda1',
    sizeBytes: 1_000_000,
    problems: [],
    unreadable: { text, cause: 'damaged' },
  });
  await files.guest('vda1');
  t.equal(state.opens, 1);
  clock.advance(10_000);
  error = new UmbraError('FILESYSTEM_UNREADABLE', 'it is encrypted');
  t.match((await files.guest('vda1'))?.unreadable, {
    text: /cannot be shown: it is encrypted\.\nThe raw/,
    cause: 'not-read',
  });
  t.equal(state.opens, 2);
  clock.advance(100_000);
  await files.guest('vda1');
  t.equal(state.opens, 2, 'the guest will not change');
});

t.test('devices that hold nothing are left out', async (t) => {
  const { service, add } = setUp(({ name }) =>
    name === 'vda' ? { nothing: true } : { unreadable: { text: 'swap space', cause: 'no-files' } },
  );
  const files = await service.open('vm', add('vm', 0, [...VOLUMES, { name: 'vdb', sizeBytes: 5000, seed: 2 }]));
  t.strictSame(await files.guests(), [
    { name: 'vdb1', sizeBytes: 5000, problems: [], unreadable: { text: 'swap space', cause: 'no-files' } },
  ]);
});
