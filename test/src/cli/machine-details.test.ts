import t from 'tap';
import { describeMachines } from '../../../src/cli/machine-details.js';
import { wrap } from '../../../src/cli/wrap.js';
import type { MachineInfo } from '../../../src/protocol/agents-api.js';

const INFO: MachineInfo = {
  machine: 'web',
  host: 'hv1',
  hostName: 'Web\u001b[2J',
  uuid: 'u-1',
  isConnected: true,
  tracker: 'auto',
  volumes: ['vda'],
  latest: '2026-11-29T02-04-23Z',
  made: {
    tracker: 'scan',
    consistency: 'offline',
    pauseMs: 1234.5,
    notes: ['no better tracker: qemu-bitmap: neither libvirt nor a QMP socket in the configuration leads to its QEMU'],
  },
  discovered: {
    name: 'Web',
    source: 'directory',
    state: 'off',
    volumes: [
      { name: 'vda', path: '/images/a', format: 'raw', sizeBytes: 1024, backing: [] },
      { name: 'vdb', path: '/images/b', format: 'qcow2', backing: [] },
    ],
    skipped: [{ name: 'sr0', reason: 'a CD' }],
    configPaths: [],
  },
};

t.test('all about a machine', async (t) => {
  t.equal(
    describeMachines({ machines: [INFO], notes: [] }, 60),
    `machine:   Web\\x1b[2J
host:      hv1
state:     off, found by directory
UUID:      u-1
protected: as web, auto
newest:    2026-11-29T02-04-23Z by scan, offline, pause 1,235 ms
  no better tracker: qemu-bitmap: neither libvirt nor a QMP
  socket in the configuration leads to its QEMU
  sr0 is left out: a CD
VOLUME  FORMAT      SIZE  PROTECTED  IMAGE
vda     raw     1.00 KiB  yes        /images/a
vdb     qcow2             no         /images/b
`,
  );
});

t.test('what is not protected, or gone, has less to say', async (t) => {
  const { host, hostName, discovered } = INFO;
  const other: MachineInfo = { host, hostName: 'other', isConnected: false, ...(discovered && { discovered }) };
  const gone: MachineInfo = { machine: 'old', host, hostName, isConnected: true, asIs: true };
  const text = describeMachines({ machines: [other, gone], notes: [] });
  t.match(
    text,
    /^machine: +other\nhost: +hv1 \(no agent\)\nstate: .*\nprotected: +no\n {2}sr0[^]*vda .* no +\/images\/a\n/,
  );
  t.match(
    text,
    /\n\nmachine: .*\nhost: +hv1\nstate: +gone\nprotected: +as old, auto, files as they are\nnewest: +none\n$/,
  );
});

t.test('lines end between words', async (t) => {
  t.strictSame(wrap('a bb ccc dddddddddd e', 6), ['a bb', 'ccc', 'dddddddddd', 'e']);
  t.strictSame(wrap('', 6), ['']);
});
