import t, { type Test } from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { Timeline, type TimelineStep } from '../../../src/files/timeline.js';
import { directory, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';
import { FilesLab } from '../../kit/files-lab.js';
import { GuestLab, type GuestDevices } from '../../kit/opened-guest.js';

/** A volume whose first block, from which every device is opened, has this in it. */
function volume(first: number, last = 0): Buffer {
  const bytes = Buffer.alloc(8 * 1024 * 1024, 1);
  bytes.fill(first, 0, 4096);
  bytes.fill(last, bytes.length - 4096);
  return bytes;
}

class HeavyFilesystem extends MemoryFilesystem {
  readonly memoryBytes: number;

  constructor(memoryBytes: number) {
    super({ 1: directory({}) });
    this.memoryBytes = memoryBytes;
  }
}

interface Run {
  readonly lab: FilesLab;
  readonly guests: GuestLab;
  readonly names: readonly string[];
  readonly timeline: Timeline;
  readonly steps: AsyncGenerator<TimelineStep>;
}

/** Goes through shadow copies of these volumes; `devices` are asked for with the number of each. */
async function begin(
  t: Test,
  volumes: readonly Buffer[],
  devices: (index: number) => GuestDevices,
  device?: string,
): Promise<Run> {
  const lab = await FilesLab.open(t);
  const names: string[] = [];
  for (const bytes of volumes) names.push(await lab.backUp(bytes));
  const guests = new GuestLab(lab, (name) => devices(names.indexOf(name)));
  const { signal } = lab.job;
  const timeline = new Timeline(guests.context, {
    machine: 'm1',
    what: 'a test',
    signal,
    ...(device === undefined ? {} : { device }),
  });
  t.teardown(() => timeline.close());
  const steps = timeline.steps(guests.context.store.catalog.shadowCopies('m1'));
  return { lab, guests, names, timeline, steps };
}

/** `INDEX:DEVICE STATE` of each step; of what is opened, whether there is one before, and whether changes are known. */
async function shown({ steps, names }: Run): Promise<string[]> {
  const lines: string[] = [];
  for await (const step of steps) {
    const more =
      step.state !== 'opened'
        ? ''
        : `${step.previous === undefined ? '' : ', previous'}${step.changes === undefined ? '' : ', changes'}`;
    const reason = step.state === 'unreadable' ? `: ${step.reason}` : '';
    lines.push(`${names.indexOf(step.listing.name)}:${step.device} ${step.state}${more}${reason}`);
  }
  return lines;
}

const ONE: GuestDevices = { vda: new MemoryFilesystem({ 1: directory({}) }) };

t.test('a device is opened again only when something of what was read has changed', async (t) => {
  const run = await begin(t, [volume(1), volume(1), volume(1, 9), volume(2), volume(2, 9), volume(3)], () => ONE);
  t.same(await shown(run), [
    '0:vda opened',
    '1:vda same',
    '2:vda same',
    '3:vda opened, previous',
    '4:vda same',
    '5:vda opened, previous',
  ]);
  t.equal((await shown(await begin(t, [volume(1), volume(2)], () => ONE)))[1], '1:vda opened, previous, changes');
});

t.test('devices come, go, and cannot be read', async (t) => {
  const devices: readonly GuestDevices[] = [
    ONE,
    {},
    { ...ONE, vdb: new UmbraError('FILESYSTEM_DAMAGED', 'no superblock') },
    ONE,
  ];
  const volumes = [volume(1), volume(2), volume(3), volume(4)];
  const of = (index: number): GuestDevices => devices[index] ?? {};
  t.same(await shown(await begin(t, volumes, of)), [
    '0:vda opened',
    '1:vda absent',
    '2:vda opened',
    '2:vdb unreadable: no superblock',
    '3:vda opened, previous, changes',
  ]);
  t.same(await shown(await begin(t, volumes, of, 'vdb')), [
    '0:vdb absent',
    '1:vdb absent',
    '2:vdb unreadable: no superblock',
    '3:vdb absent',
  ]);
});

t.test('what is no fault of a guest ends it', async (t) => {
  const fault: GuestDevices = {
    get vda(): Error {
      throw new UmbraError('STORE_FAILED', 'the disk is broken');
    },
  };
  await t.rejects(shown(await begin(t, [volume(1)], () => fault, 'vda')), { code: 'STORE_FAILED' });
  const run = await begin(t, [volume(1)], () => ONE);
  run.lab.abort(new UmbraError('CANCELLED', 'enough'));
  await t.rejects(shown(run), { code: 'CANCELLED' });
});

t.test('a shadow copy that is forgotten meanwhile is passed over', async (t) => {
  const run = await begin(t, [volume(1), volume(2), volume(3)], () => ONE);
  const { store } = run.lab.memory;
  await store.forget(store.catalog.find('m1', run.names[1] ?? ''));
  t.same(await shown(run), ['0:vda opened', '2:vda opened, previous, changes']);
});

t.test('only as many file systems are open as there is room for, and the shadow copies they are in', async (t) => {
  const heavy: GuestDevices = Object.fromEntries(
    ['a', 'b', 'c', 'd'].map((name) => [name, new HeavyFilesystem(15 * 1024 * 1024)]),
  );
  const run = await begin(t, [volume(1), volume(2)], () => heavy);
  const [first, second] = run.names;
  const most: number[] = [];
  for await (const step of run.steps) {
    most.push(run.guests.open.length);
    if (step.listing.name === second) t.ok(step.state === 'opened' && step.previous !== undefined, step.device);
  }
  t.ok(Math.max(...most) <= 4, most.join());
  t.same(run.guests.open, [`${second}:b`, `${second}:c`, `${second}:d`]);
  const { leases, catalog } = run.lab.memory.store;
  t.equal(leases.holder(catalog.find('m1', first ?? '')), undefined);
  t.equal(leases.holder(catalog.find('m1', second ?? '')), 'a test');
  await run.timeline.close();
  t.equal(leases.holder(catalog.find('m1', second ?? '')), undefined);
});
