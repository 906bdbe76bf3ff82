import { amount, count, flag, listOf, shape, text } from '../../common/shapes.js';
import type * as api from '../../protocol/upkeep-api.js';

/** What operations on the soundness of the store answer, as src/protocol/upkeep-api.ts has it. */

export const scrub = shape<api.ScrubResult>(
  'ScrubResult',
  {
    isRunning: flag,
    days: amount,
    objects: count,
    storedBytes: count,
    isEstimate: flag,
    unreadObjects: count,
    oldestDays: amount,
    isLate: flag,
    passObjects: count,
    bytesPerDay: count,
    readBytes: count,
    damagedObjects: count,
  },
  { readSince: text, passBeganAt: text, passEndsAt: text },
);

const object = shape<api.DamagedObjectInfo>(
  'DamagedObjectInfo',
  { object: text, kind: text, reason: text },
  { foundAt: text },
);

const place = shape<api.DamagedPlaceInfo>('DamagedPlaceInfo', {
  object: text,
  machine: text,
  volume: text,
  offset: count,
  length: count,
  shadowCopies: listOf(text),
  shadowCopyCount: count,
  isInNewest: flag,
});

const file = shape<api.DamagedFileInfo>('DamagedFileInfo', {
  machine: text,
  path: text,
  damagedBytes: count,
  shadowCopies: listOf(text),
  shadowCopyCount: count,
});

const unread = shape<api.DamageResult['unread'][number]>('UnreadPlace', {
  machine: text,
  shadowCopy: text,
  path: text,
  reason: text,
});

export const damage = shape<api.DamageResult>(
  'DamageResult',
  {
    objects: listOf(object),
    objectCount: count,
    places: listOf(place),
    placeCount: count,
    files: listOf(file),
    fileCount: count,
    unread: listOf(unread),
    unreadCount: count,
    onlyByPath: listOf(text),
    seconds: amount,
  },
  { advice: text },
);
