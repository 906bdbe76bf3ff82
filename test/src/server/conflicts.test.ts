import t from 'tap';
import { refuseConflict, type Claim, type OperationKind } from '../../../src/server/conflicts.js';

const KINDS: readonly OperationKind[] = [
  'backup',
  'list',
  'restore',
  'export',
  'diff',
  'forget',
  'gc',
  'verify',
  'rebuild',
  'stats',
  'mount',
  'unmount',
];

function outcome(wanted: Claim, other: Claim): string {
  try {
    refuseConflict(wanted, [other], []);
    return 'runs';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
}

void t.test('every kind beside every kind', async (t) => {
  for (const wanted of KINDS) {
    for (const other of KINDS) {
      const alone = wanted === 'rebuild' || other === 'rebuild' || (wanted === 'gc' && other === 'gc');
      const expected = alone ? 'STORE_IN_USE' : 'runs';
      t.equal(outcome({ kind: wanted }, { kind: other, machine: 'other' }), expected, `${wanted} beside ${other}`);
    }
  }
});

void t.test('one backup of a machine at a time', async (t) => {
  const backup: Claim = { kind: 'backup', machine: 'web1' };
  t.equal(outcome(backup, backup), 'MACHINE_BUSY');
  t.equal(outcome(backup, { kind: 'backup', machine: 'web2' }), 'runs');
});

void t.test('the messages name what is in the way', async (t) => {
  t.throws(
    () => {
      refuseConflict({ kind: 'rebuild' }, [{ kind: 'backup', machine: 'web1' }], []);
    },
    { message: /a backup of web1 is running/ },
  );
  t.throws(
    () => {
      refuseConflict({ kind: 'rebuild' }, [], ['/mnt/umbra']);
    },
    { code: 'STORE_IN_USE', message: /\/mnt\/umbra/, hint: /umbra unmount \/mnt\/umbra/ },
  );
  refuseConflict({ kind: 'gc' }, [], ['/mnt/umbra']);
});
