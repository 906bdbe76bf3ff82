import t from 'tap';

import { findVolume } from '../../../src/restore/find-volume.js';
import type { ShadowCopyRecord, VolumeRecord } from '../../../src/store/records.js';

function record(...names: string[]): ShadowCopyRecord {
  const source = { path: '/x', format: 'raw' } as const;
  const volumes: VolumeRecord[] = names.map((name) => ({
    name,
    sizeBytes: 0,
    dataBytes: 0,
    root: new Uint8Array(32),
    source,
  }));
  const made = { timeMs: 0, consistency: 'crash', tracker: 'scan', pauseMs: 0 } as const;
  return { machine: 'm1', name: '2026-11-22T10-15-00Z', ...made, volumes, config: [] };
}

t.test('a volume by its name', async (t) => {
  t.equal(findVolume(record('vda', 'vdb'), 'vdb').name, 'vdb');
  t.throws(() => findVolume(record('vda', 'vdb'), 'vdc'), { code: 'NOT_FOUND', hint: 'It has vda, vdb.' });
  t.throws(() => findVolume(record(), 'vda'), { code: 'NOT_FOUND', hint: 'It has no volumes at all.' });
});
