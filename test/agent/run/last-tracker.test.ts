import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Candidate } from '../../../agent/run/candidate.js';
import { noteTracker } from '../../../agent/run/last-tracker.js';
import type { Tracker } from '../../../agent/trackers/tracker.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('the tracker before forgets when another one made a shadow copy, the next time if it could not', async (t) => {
  const directory = join(temporaryDirectory(t), 'web');
  const forgotten: string[] = [];
  let isReachable = true;
  const candidate = (kind: Tracker['kind']): Candidate => {
    const forget = (): Promise<void> => {
      if (!isReachable) return Promise.reject(new UmbraError('TRACKER_UNAVAILABLE', 'not now'));
      forgotten.push(kind);
      return Promise.resolve();
    };
    return {
      kind,
      tracker: { kind, forget, checkpoint: () => Promise.reject(new UmbraError('INTERNAL', 'not asked')) },
    };
  };
  const note = async (kind: Tracker['kind']): Promise<string> => {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (message: string) => warnings.push(message) };
    const all: Candidate[] = [candidate('qemu-bitmap'), { kind: 'filter', reason: 'there is none' }, candidate('scan')];
    await noteTracker({ name: 'web', directory }, kind, () => Promise.resolve(all), log);
    return [...forgotten.splice(0), ...warnings].join();
  };
  t.equal(await note('qemu-bitmap'), '', 'the first one');
  t.equal(await note('qemu-bitmap'), '');
  isReachable = false;
  t.match(await note('scan'), /could not be taken away yet/);
  isReachable = true;
  t.equal(await note('scan'), 'qemu-bitmap');
  t.equal(await note('scan'), '');
  t.equal(await note('filter'), 'scan');
  t.equal(await note('scan'), '', 'there is no filter any more');
  t.equal(readFileSync(join(directory, 'tracker'), 'utf8'), 'scan\n');
  const file = join(temporaryDirectory(t), 'db');
  mkdirSync(join(file, 'tracker'), { recursive: true });
  await t.rejects(
    noteTracker({ name: 'db', directory: file }, 'scan', () => Promise.resolve([]), silentLog),
    { code: 'EISDIR' },
  );
});
