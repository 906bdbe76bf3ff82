import { join } from 'node:path';
import t from 'tap';
import { discoverByQmp } from '../../../agent/discovery/qmp.js';
import { volumeByPlace } from '../../../agent/qemu/disks.js';
import { systemClock } from '../../../src/common/clock.js';
import { fakeLines } from '../../kit/fake-lines.js';
import { qemuImg } from '../../kit/qemu.js';
import { startMachine } from '../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('a machine with disks of every kind', async (t) => {
  const directory = temporaryDirectory(t);
  const file = (name: string): string => join(directory, name);
  qemuImg('create', '-q', '-f', 'raw', file('base'), '1M');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', file('base'), '-F', 'raw', file('top'), '2M');
  for (const name of ['raw', 'ro', 'qed', 'cd', 'alone', 'anonymous', 'named']) {
    qemuImg('create', '-q', '-f', name === 'qed' ? 'qed' : 'raw', file(name), '1M');
  }
  const node = (name: string, driver = 'raw', more = {}): string[] => {
    const options = { driver, 'node-name': name, file: { driver: 'file', filename: file(name) }, ...more };
    return ['-blockdev', JSON.stringify(options)];
  };
  const args = [
    ...['-name', 'web 1', '-uuid', '7e2ff6e2-6b7e-4d2c-9c3b-0c6a2b1f0a11', '-S', '-device', 'virtio-scsi-pci,id=scsi'],
    ...[...node('ro', 'raw', { 'read-only': true }), '-device', 'virtio-blk-pci,drive=ro,id=second'],
    ...[...node('qed', 'qed'), '-device', 'virtio-blk-pci,drive=qed,id=third'],
    ...[...node('cd', 'raw', { 'read-only': true }), '-device', 'scsi-cd,drive=cd,id=cd'],
    ...[...node('raw'), '-device', 'scsi-hd,drive=raw'],
    ...[...node('named'), '-device', 'virtio-blk-pci,drive=named,id=fifth'],
    ...[...node('anonymous'), '-device', 'virtio-blk-pci,drive=anonymous'],
    ...['-device', 'scsi-cd,id=empty', '-drive', `if=none,id=nobody,format=raw,file=${file('alone')}`],
    ...['-blockdev', 'null-co,size=1048576,node-name=null', '-device', 'virtio-blk-pci,drive=null,id=null'],
  ];
  const disks = [{ file: file('top'), format: 'qcow2', id: 'vda' }] as const;
  const { qmpSocket } = await startMachine(t, directory, { disks, args });
  const names = new Map([
    ['vda', 'vdd'],
    ['fifth', 'data'],
    [file('anonymous'), 'vda'],
  ]);
  const found = await discoverByQmp({ qmpSocket, fallbackName: 'x', names, clock: systemClock });
  t.match(found, {
    name: 'web 1',
    uuid: '7e2ff6e2-6b7e-4d2c-9c3b-0c6a2b1f0a11',
    source: 'qmp',
    state: 'paused',
    configPaths: [],
  });
  t.same(found.volumes, [
    { name: 'vdd', path: file('top'), format: 'qcow2', sizeBytes: 2 << 20, backing: [file('base')] },
    { name: 'vde', path: file('raw'), format: 'raw', sizeBytes: 1 << 20, backing: [] },
    { name: 'data', path: file('named'), format: 'raw', sizeBytes: 1 << 20, backing: [] },
    { name: 'vda', path: file('anonymous'), format: 'raw', sizeBytes: 1 << 20, backing: [] },
  ]);
  const removable = 'a CD or another medium that can be taken out';
  t.same(found.skipped, [
    { name: 'nobody', reason: 'it is not connected to the machine' },
    { name: 'second', reason: 'it is read-only' },
    { name: 'third', reason: 'QEMU\'s driver "qed" is not supported' },
    { name: 'cd', reason: removable },
    { name: 'empty', reason: removable },
    { name: 'null', reason: 'QEMU\'s driver "null-co" is not supported' },
  ]);
});

t.test('names by place', (t) => {
  t.same([0, 25, 26, 701, 702].map(volumeByPlace), ['vda', 'vdz', 'vdaa', 'vdzz', 'vdaaa']);
  t.end();
});

t.test('a QEMU that describes nothing', async (t) => {
  const devices = [
    {},
    { qdev: 'a', inserted: {} },
    { qdev: 'b', inserted: { drv: 'raw', image: { filename: 'x' } } },
    7,
  ];
  const qmpSocket = await fakeLines(t, {
    connected: (socket) => socket.write('{"QMP": {}}\n'),
    line(line, socket) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      socket.write(`${JSON.stringify({ return: execute === 'query-block' ? devices : {}, id })}\n`);
    },
  });
  t.same(await discoverByQmp({ qmpSocket, fallbackName: 'x', clock: systemClock }), {
    name: 'x',
    source: 'qmp',
    state: 'paused',
    volumes: [],
    skipped: [
      { name: 'a', reason: 'QEMU\'s driver "" is not supported' },
      { name: 'b', reason: 'QEMU does not describe it' },
    ],
    configPaths: [],
  });
});
