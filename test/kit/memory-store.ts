import type { Test } from 'tap';

import { VolumeBackup } from '../../src/backup/backup-volume.js';
import { systemClock } from '../../src/common/clock.js';
import { newFormatRecord } from '../../src/store/format-record.js';
import type { KvStore } from '../../src/store/kv.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import type { ShadowCopyRecord, VolumeRecord } from '../../src/store/records.js';
import { Store } from '../../src/store/store.js';
import { WorkerPool } from '../../src/workers/pool.js';
import { fakeImage } from './fake-image.js';

/** A store in memory with a worker pool; both end with the test. */
export interface MemoryStore {
  readonly store: Store;
  readonly pool: WorkerPool;
  /** The database of objects, to damage it. */
  readonly objects: KvStore;
  /** Make a shadow copy of `volumes`. */
  readonly backUp: (
    volumes: Readonly<Record<string, Uint8Array>>,
    options?: MemoryBackupOptions,
  ) => Promise<ShadowCopyRecord>;
}

export interface MemoryBackupOptions {
  /** `m1` without it. */
  readonly machine?: string;
  readonly config?: ShadowCopyRecord['config'];
}

/** Open one. The cutting seed is fixed, so that the same content makes the same chunks in every run. */
export async function openMemoryStore(t: Test): Promise<MemoryStore> {
  const format = newFormatRecord({ seed: '0123456789abcdef' }, 0);
  const objects = openMemoryKv();
  const store = await Store.open({ format, objects, meta: openMemoryKv(), clock: systemClock });
  const pool = new WorkerPool(format, 2);
  t.teardown(async () => {
    await pool.close();
    await store.close();
  });
  let timeMs = Date.UTC(2026, 10, 22);
  return {
    store,
    pool,
    objects,
    async backUp(volumes, { machine = 'm1', config = [] } = {}) {
      const session = store.openSession();
      try {
        const parents = await parentsOf(store, machine);
        const records: VolumeRecord[] = [];
        for (const [name, content] of Object.entries(volumes)) {
          const image = fakeImage(content);
          const parent = parents.find((volume) => volume.name === name);
          const signal = new AbortController().signal;
          const shared = {
            session,
            pool,
            reader: store.reader,
            signal,
            distrustParent: false,
            onRead: () => undefined,
          };
          const { root, dataBytes } = await new VolumeBackup({ name, image, parent, ...shared }).run();
          records.push({
            name,
            sizeBytes: content.length,
            dataBytes,
            root,
            source: { path: image.path, format: 'raw' },
          });
        }
        const made = { machine, timeMs, consistency: 'offline', tracker: 'scan', pauseMs: 0 } as const;
        timeMs += 1000;
        return await store.commit(session, { ...made, volumes: records, config });
      } finally {
        session.end();
      }
    },
  };
}

async function parentsOf(store: Store, machine: string): Promise<readonly VolumeRecord[]> {
  const latest = store.catalog.latest(machine);
  return latest === undefined ? [] : (await store.record(latest)).volumes;
}
