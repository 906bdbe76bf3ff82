import { UmbraError } from '../../src/common/errors.js';
import type { FileOperations } from '../../src/files/file-operations.js';
import type { FileDifference, GuestFileStat, UnreadPath } from '../../src/protocol/files-api.js';

const VERSION = '2026-11-22T10-15-00Z';

export const FAKE_STAT: GuestFileStat = {
  type: 'file',
  permissions: 0o644,
  nlink: 1,
  uid: 1000,
  gid: 100,
  sizeBytes: 5,
  diskBytes: 4096,
  mtime: '2026-11-22T10:15:00.123456789Z',
  atime: '2026-11-22T10:15:00.000000000Z',
  ctime: '2026-11-22T10:15:00.000000000Z',
};

const DIFFERENCES: readonly FileDifference[] = [
  { change: 'added', path: '/vda1/new\n', type: 'file', what: [], toBytes: 5 },
  { change: 'removed', path: '/vda1/old', type: 'directory', what: [] },
  { change: 'changed', path: '/vda1/a', type: 'file', what: ['content', 'mtime'], fromBytes: 1024, toBytes: 2048 },
  { change: 'changed', path: '/vda1/as-long', type: 'file', what: ['content', 'mtime'], fromBytes: 4, toBytes: 4 },
  {
    change: 'changed',
    path: '/vda1/acl',
    type: 'file',
    what: ['content', 'mtime', 'xattrs'],
    fromBytes: 4,
    toBytes: 4,
  },
  { change: 'metadata', path: '/vda1/b', type: 'file', what: ['mode', 'owner'], fromBytes: 1, toBytes: 1 },
  { change: 'renamed', path: '/vda1/d', fromPath: '/vda1/c', type: 'file', what: [] },
];

/** Canned answers. Machines called `bad` have damage, those called `breaks` fail in the middle. */
export const fakeFiles: FileOperations = {
  checkDirectory: () => Promise.resolve(),
  touched: () => Promise.resolve({ files: [], unread: [], unreadCount: 0, onlyByPath: [] }),
  async list({ machine, path, details }, { emit }) {
    const result = { machine, shadowCopy: VERSION, path: path ?? '/', isDirectory: true, files: 2, damaged: 0 };
    if (path === undefined && machine === 'empty') return { ...result, filesystems: [] };
    if (path === undefined) {
      const known = { label: 'root', uuid: 'u', sizeBytes: 1024 ** 3 };
      const problems = ['the backup superblock differs'];
      return {
        ...result,
        filesystems: [
          { name: 'vda1', type: 'ext4', ...known, usedBytes: 1024 ** 2, journal: 'replayed', problems },
          { name: 'vda2', type: '', ...known, problems: [], unreadable: 'it is encrypted (LUKS)' },
        ],
      };
    }
    const stat = details ? { stat: FAKE_STAT } : {};
    await emit([{ name: 'esc\x1b', type: 'file', ...stat }]);
    if (machine === 'breaks') throw new UmbraError('STORE_DAMAGED', 'chunk c0ffee is damaged');
    await emit([{ name: 'sub', type: 'directory' }]);
    if (machine === 'bad') await emit([{ name: 'broken', error: 'inode 5 is damaged' }]);
    return { ...result, damaged: machine === 'bad' ? 1 : 0 };
  },
  read({ machine, path }) {
    if (path.startsWith('/vda1/no')) return Promise.reject(new UmbraError('NOT_FOUND', `there is no ${path}`));
    const text = path === '/vda1/empty' ? [] : ['he', 'llo', '\n', '\xff'];
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      for (const part of text) yield await Promise.resolve(Buffer.from(part, 'latin1'));
      if (machine === 'breaks') throw new UmbraError('STORE_DAMAGED', 'chunk ü is damaged', { hint: 'Verify.' });
    }
    return Promise.resolve({
      machine,
      shadowCopy: VERSION,
      sizeBytes: text.join('').length,
      pieces,
      close: () => Promise.resolve(),
    });
  },
  copy({ machine, path, to, toDirectory, recursive, contents, force }, { progress }) {
    progress({ what: 'copying', doneBytes: 5, totalBytes: 5 });
    const isBad = machine === 'bad';
    const isAlike = machine === 'alike';
    const flags = [toDirectory && 'directory', recursive && 'recursive', contents && 'contents', force && 'force']
      .filter(Boolean)
      .join('+');
    return Promise.resolve({
      machine,
      shadowCopy: VERSION,
      path,
      to: flags === '' ? to : `${to} ${flags}`,
      files: isBad ? 0 : 1,
      directories: recursive ? 2 : 0,
      symlinks: 0,
      hardLinks: 0,
      specialFiles: 0,
      writtenBytes: 5,
      problems: isBad
        ? Array.from({ length: 30 }, (_, index) => ({
            path: `/vda1/\x1b${index}`,
            kind: index < 1 ? ('metadata' as const) : ('read' as const),
            reason: 'damaged',
          }))
        : isAlike
          ? [{ path: '/vda1/b', kind: 'metadata' as const, reason: 'mode could not be set', count: 4 }]
          : [],
      readProblems: isBad ? 29 : 0,
      writeProblems: machine === 'full' ? 1 : 0,
      metadataProblems: isBad ? 1 : isAlike ? 4 : 0,
      owners: !isBad,
      seconds: 0.1,
    });
  },
  history({ machine, path }, { progress }) {
    progress({ what: `looking at ${VERSION} (1 of 3)`, doneBytes: 0 });
    return Promise.resolve({
      machine,
      path,
      versions: [
        { state: 'absent', change: 'first', shadowCopies: ['2026-11-20T10-15-00Z'] },
        { state: 'present', change: 'appeared', shadowCopies: ['2026-11-21T10-15-00Z', VERSION], stat: FAKE_STAT },
        ...(machine === 'bad'
          ? [
              {
                state: 'unreadable',
                change: 'unreadable',
                shadowCopies: [VERSION],
                reason: 'inode 5',
                isDamaged: true,
              } as const,
            ]
          : []),
      ],
      comparedBytes: 0,
      seconds: 0.1,
    });
  },
  async find({ machine, version, glob, ignoreCase, type }, { emit }) {
    const found = glob === 'nothing' ? 0 : 2;
    const path = `/vda1/${glob}${ignoreCase ? '-i' : ''}${type === undefined ? '' : `-${type}`}\x07`;
    const first = '2026-11-20T10-15-00Z';
    if (found > 0) {
      await emit([{ path, stat: FAKE_STAT, first, last: VERSION, shadowCopies: 3 }]);
      const stat = { ...FAKE_STAT, type: 'directory' } as const;
      await emit([{ path: '/vda1/d', stat, first, last: first, shadowCopies: 1 }]);
    }
    const unread: UnreadPath[] =
      machine === 'bad' ? [{ shadowCopy: VERSION, path: '/vda1/\x07', reason: 'damaged', isDamaged: true }] : [];
    if (machine === 'luks') unread.push({ shadowCopy: VERSION, path: '/vda2', reason: 'encrypted', isDamaged: false });
    const shadowCopies = version === undefined ? 3 : 1;
    return {
      machine,
      shadowCopies,
      found,
      unread,
      unreadCount: unread.length * 50,
      damagedCount: machine === 'bad' ? 50 : 0,
      seconds: 0.1,
    };
  },
  async diff({ machine, from, toMachine, to }, { emit }) {
    const same = machine === 'same';
    if (!same) await emit(DIFFERENCES);
    const one = same ? 0 : 1;
    return {
      from: `${machine}@${from}`,
      to: `${toMachine}@${to}`,
      added: one,
      removed: one,
      changed: one,
      metadata: one,
      renamed: one,
      comparedBytes: 0,
      unread: machine === 'bad' ? [{ shadowCopy: VERSION, path: '/vda2', reason: 'damaged', isDamaged: true }] : [],
      unreadCount: machine === 'bad' ? 1 : 0,
      damagedCount: machine === 'bad' ? 1 : 0,
      seconds: 0.1,
    };
  },
};
