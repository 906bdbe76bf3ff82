import { amount, count, eachOf, fields, flag, listOf, shape, text } from '../../common/shapes.js';
import type * as api from '../../protocol/files-api.js';

/** What operations on files answer, as src/protocol/files-api.ts has it. */

const fileType = eachOf<api.GuestFileStat['type']>({
  file: true,
  directory: true,
  symlink: true,
  'character-device': true,
  'block-device': true,
  fifo: true,
  socket: true,
});

const filesystem = shape<api.GuestFilesystemInfo>(
  'GuestFilesystemInfo',
  { name: text, type: text, label: text, uuid: text, sizeBytes: count, problems: listOf(text) },
  { usedBytes: count, journal: text, unreadable: text },
);

const stat = shape<api.GuestFileStat>(
  'GuestFileStat',
  {
    type: fileType,
    permissions: count,
    nlink: count,
    uid: count,
    gid: count,
    sizeBytes: count,
    diskBytes: count,
    mtime: text,
    atime: text,
    ctime: text,
  },
  {
    birthTime: text,
    device: fields<NonNullable<api.GuestFileStat['device']>>({ major: count, minor: count }),
    target: text,
  },
);

export const listedFile = shape<api.ListedFile>('ListedFile', { name: text }, { type: fileType, stat, error: text });

export const listFiles = shape<api.ListFilesResult>(
  'ListFilesResult',
  { machine: text, shadowCopy: text, path: text, isDirectory: flag, files: count, damaged: count },
  { filesystems: listOf(filesystem) },
);

const copyProblem = shape<api.CopyProblem>(
  'CopyProblem',
  { path: text, kind: eachOf<api.CopyProblem['kind']>({ read: true, write: true, metadata: true }), reason: text },
  { count },
);

export const copyFiles = shape<api.CopyFilesResult>('CopyFilesResult', {
  machine: text,
  shadowCopy: text,
  path: text,
  to: text,
  files: count,
  directories: count,
  symlinks: count,
  hardLinks: count,
  specialFiles: count,
  writtenBytes: count,
  problems: listOf(copyProblem),
  readProblems: count,
  writeProblems: count,
  metadataProblems: count,
  owners: flag,
  seconds: amount,
});

const fileVersion = shape<api.FileVersion>(
  'FileVersion',
  {
    state: eachOf<api.FileVersion['state']>({ present: true, absent: true, unreadable: true }),
    change: eachOf<api.FileVersion['change']>({
      first: true,
      content: true,
      metadata: true,
      replaced: true,
      appeared: true,
      removed: true,
      unreadable: true,
      unchanged: true,
      unknown: true,
    }),
    shadowCopies: listOf(text),
  },
  { stat, reason: text, isDamaged: flag },
);

export const fileHistory = shape<api.FileHistoryResult>('FileHistoryResult', {
  machine: text,
  path: text,
  versions: listOf(fileVersion),
  comparedBytes: count,
  seconds: amount,
});

const unreadPath = shape<api.UnreadPath>('UnreadPath', {
  shadowCopy: text,
  path: text,
  reason: text,
  isDamaged: flag,
});

export const foundFile = shape<api.FoundFile>('FoundFile', {
  path: text,
  stat,
  first: text,
  last: text,
  shadowCopies: count,
});

export const findFiles = shape<api.FindFilesResult>('FindFilesResult', {
  machine: text,
  shadowCopies: count,
  found: count,
  unread: listOf(unreadPath),
  unreadCount: count,
  damagedCount: count,
  seconds: amount,
});

export const fileDifference = shape<api.FileDifference>(
  'FileDifference',
  {
    change: eachOf<api.FileDifference['change']>({
      added: true,
      removed: true,
      changed: true,
      metadata: true,
      renamed: true,
    }),
    path: text,
    type: fileType,
    what: listOf(text),
  },
  { fromPath: text, fromBytes: count, toBytes: count },
);

export const diffFiles = shape<api.DiffFilesResult>('DiffFilesResult', {
  from: text,
  to: text,
  added: count,
  removed: count,
  changed: count,
  metadata: count,
  renamed: count,
  comparedBytes: count,
  unread: listOf(unreadPath),
  unreadCount: count,
  damagedCount: count,
  seconds: amount,
});
