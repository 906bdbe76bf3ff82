import { UmbraError } from '../../src/common/errors.js';
import type { DamageResult } from '../../src/protocol/upkeep-api.js';
import type { StoreUpkeep } from '../../src/server/store-upkeep.js';
import { Scrub } from '../../src/store/scrub.js';
import type { Store } from '../../src/store/store.js';
import { openTestStore } from './test-store.js';

export const FAKE_DAMAGE: DamageResult = {
  objects: [
    { object: 'ab'.repeat(32), kind: 'chunk', reason: 'its checksum is wrong', foundAt: '2026-11-22T10:15:00.000Z' },
    { object: 'objects/000007.ldb:4096', kind: 'table', reason: 'the keys of a block are damaged' },
  ],
  objectCount: 2,
  places: [
    {
      object: 'ab'.repeat(32),
      machine: 'bad',
      volume: 'vda',
      offset: 4096,
      length: 8192,
      shadowCopies: ['2026-11-21T10-15-00Z', '2026-11-22T10-15-00Z'],
      shadowCopyCount: 2,
      isInNewest: true,
    },
  ],
  placeCount: 1,
  files: [
    {
      machine: 'bad',
      path: '/vda1/etc/fstab\x1b',
      damagedBytes: 4096,
      shadowCopies: ['2026-11-22T10-15-00Z'],
      shadowCopyCount: 1,
    },
  ],
  fileCount: 1,
  unread: [{ machine: 'bad', shadowCopy: '2026-11-22T10-15-00Z', path: '/vda1/srv', reason: 'a node is damaged' }],
  unreadCount: 1,
  onlyByPath: ['bad@2026-11-21T10-15-00Z'],
  advice: 'Back up bad again.',
  seconds: 0.5,
};

const NONE: DamageResult = {
  objects: [],
  objectCount: 0,
  places: [],
  placeCount: 0,
  files: [],
  fileCount: 0,
  unread: [],
  unreadCount: 0,
  onlyByPath: [],
  seconds: 0,
};

/** The upkeep of an empty store; of a machine called `bad` there is damage. */
export function fakeUpkeep(): StoreUpkeep {
  let opened: Promise<Store> | undefined;
  const store = (): Promise<Store> => (opened ??= openTestStore());
  const pool = (): never => {
    throw new UmbraError('INTERNAL', 'an empty store has nothing to read');
  };
  return {
    store,
    scrub: async () => {
      const of = await store();
      return await Scrub.open({ store: of, pool, now: () => of.moment() });
    },
    damage: ({ machine }) => Promise.resolve(machine === 'bad' ? FAKE_DAMAGE : NONE),
  };
}
