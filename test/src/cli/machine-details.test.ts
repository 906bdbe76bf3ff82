import t from 'tap';
import { describeMachines } from '../../../src/cli/machine-details.js';
import { wrap } from '../../../src/cli/wrap.js';
import type { LettingGo, MachineInfo } from '../../../src/protocol/agents-api.js';

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

t.test('what its agent has left', async (t) => {
  const about = (lettingGo: LettingGo): string => {
    const { host, hostName } = INFO;
    const info: MachineInfo = { host, hostName, isConnected: true, lettingGo: { machine: 'web', ...lettingGo } };
    return describeMachines({ machines: [info], notes: [] }, 1000)
      .split('\n')
      .slice(4)
      .join(' ')
      .replaceAll(/ +/g, ' ');
  };
  t.match(
    about({ agent: 'working' }),
    /^ The agent of hv1 is taking away what it kept there: "umbra machines web" says/,
  );
  t.match(about({ agent: 'unreachable' }), /^ The agent of hv1 is not connected: it takes away .* when it is back\. $/);
  const left = { code: 'TRACKER_FAILED', message: 'on /a\u001b[2J', hint: 'Merge.' };
  const failed =
    'The agent of hv1 could not take away all that it kept there: on /a\\x1b[2J Merge. It tries again with';
  t.equal(about({ agent: 'failed', left }), ` ${failed} "umbra unprotect web". `);
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
