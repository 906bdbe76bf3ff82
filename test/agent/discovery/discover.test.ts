import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { discover, type DiscoveryConfig } from '../../../agent/discovery/discover.js';
import type { Found } from '../../../agent/discovery/found.js';
import { MachineList } from '../../../agent/discovery/machine-list.js';
import { REMOTE } from '../../../agent/libvirt/protocol.js';
import { XdrWriter } from '../../../agent/libvirt/xdr.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { fakeLibvirt, libvirtReply } from '../../kit/fake-libvirt.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const NOTHING: DiscoveryConfig = { libvirt: 'off', qmp: [], configFiles: [], directories: [] };
const UUID = '6f2a1b3c-0001-4000-8000-0123456789ab';

const machine = (name: string, more: Partial<DiscoveredMachine> = {}): DiscoveredMachine => {
  return { name, source: 'qmp', state: 'running', volumes: [], skipped: [], configPaths: [], ...more };
};
const volume = (path: string, ...backing: string[]): DiscoveredMachine['volumes'][number] => {
  return { name: 'vda', path, format: 'qcow2', backing };
};
const discoverQmp = (): Promise<DiscoveredMachine> =>
  Promise.reject(new UmbraError('HYPERVISOR_UNREACHABLE', 'no QEMU'));

void t.test('all sources together, each machine once', async (t) => {
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  for (const name of ['images', 'config']) mkdirSync(at(name));
  for (const name of ['one', 'two', 'three', 'four']) writeFileSync(at(`images/${name}.raw`), name);
  symlinkSync(at('images/two.raw'), at('two-link'));
  const domain = (name: string, path: string, uuid = ''): string =>
    `<domain><name>${name}</name><uuid>${uuid}</uuid><devices><disk type='file'><source file='${path}'/>` +
    `<target dev='vda'/></disk></devices></domain>`;
  const xml = domain('one', at('images/one.raw'), UUID);
  const socket = await fakeLibvirt(t, (call, client) => {
    const answers = new Map<number, XdrWriter>([
      [
        REMOTE.connectListAllDomains,
        new XdrWriter()
          .uint(1)
          .string('one')
          .opaque(Buffer.from(UUID.replaceAll('-', ''), 'hex'))
          .int(1),
      ],
      [REMOTE.domainGetState, new XdrWriter().int(1).int(1)],
      [REMOTE.domainGetXmlDesc, new XdrWriter().string(xml)],
      [REMOTE.domainGetBlockInfo, new XdrWriter().uint(0).uint(1).uint(0).uint(512)],
    ]);
    const answer = answers.get(call.procedure);
    return answer !== undefined && client.write(libvirtReply(call, answer.bytes()));
  });
  writeFileSync(at('config/one.xml'), domain('one of old', at('images/four.raw'), UUID));
  writeFileSync(at('config/two.xml'), domain('two of old', at('images/two.raw')));
  writeFileSync(at('config/three.xml'), domain('three', at('images/three.raw')));
  const config = {
    libvirt: socket,
    qmp: [
      { name: 'two', socket: '/qmp' },
      { name: 'gone', socket: '/gone' },
    ],
    configFiles: [at('config')],
    directories: [at('images'), at('nowhere')],
  };
  const { machines, notes } = await discover(config, {
    discoverQmp: ({ name }) =>
      name === 'two' ? Promise.resolve(machine(name, { volumes: [volume(at('two-link'))] })) : discoverQmp(),
  });
  t.strictSame(
    machines.map(({ name, source, configPaths }) => [name, source, ...configPaths]),
    [
      ['one', 'libvirt', at('config/one.xml')],
      ['two', 'qmp', at('config/two.xml')],
      ['three', 'config-file', at('config/three.xml')],
      ['four', 'directory'],
    ],
  );
  t.match(notes, ['QEMU at /gone: no QEMU', /nowhere cannot be listed/]);
  t.equal(notes.length, 2);
});

void t.test('a libvirt that is not there', async (t) => {
  const parts = { discoverQmp, runtimeDirectory: undefined };
  const absent = join(temporaryDirectory(t), 'socket');
  t.match((await discover({ ...NOTHING, libvirt: absent, qmp: [] }, parts)).notes, [/^libvirt: .*does not run/]);
  t.match((await discover({ ...NOTHING, libvirt: 'nonsense' }, parts)).notes, [/^libvirt: .*"nonsense"/]);
  t.strictSame(await discover(NOTHING, parts), { machines: [], notes: [] });
  // Whether or not the machine that runs this has one.
  const qmp = [{ name: 'a', socket: '/a' }];
  t.notMatch((await discover({ ...NOTHING, libvirt: 'auto', qmp }, parts)).notes.join(), /does not run/);
});

void t.test('a source that never answers', async (t) => {
  const clock = new ManualClock();
  const parts = {
    clock,
    discoverQmp: (): Promise<DiscoveredMachine> => {
      queueMicrotask(() => {
        clock.advance(120_000);
      });
      return new Promise(() => undefined);
    },
  };
  const found = await discover({ ...NOTHING, qmp: [{ name: 'a', socket: '/a' }] }, parts);
  t.match(found, { machines: [], notes: [/no answer within 120 s/] });
});

void t.test('the list', async (t) => {
  const list = new MachineList();
  const add = (...machines: DiscoveredMachine[]): Promise<void> => list.add({ machines, notes: [] } satisfies Found);
  await add(machine('a', { volumes: [volume('/shared', '/base')] }), machine('b', { volumes: [volume('/shared')] }));
  await add(machine('c', { volumes: [volume('/else'), volume('/shared')] }), machine('d'.repeat(300)));
  list.note('note');
  t.strictSame(
    list.found().machines.map(({ name }) => name),
    ['a', 'b', 'd'.repeat(255)],
    'machines of one source may share an image',
  );
  t.strictSame([...list.images], ['/shared', '/base']);
  t.strictSame(list.found().notes, ['note']);
});
