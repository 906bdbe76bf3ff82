import t from 'tap';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { ARRAYS } from '../../../../mount/disk/recognise/arrays.js';
import { ENCRYPTED } from '../../../../mount/disk/recognise/encrypted.js';
import { FOREIGN } from '../../../../mount/disk/recognise/foreign.js';
import { OTHERS } from '../../../../mount/disk/recognise/others.js';
import { describe, recognise } from '../../../../mount/disk/recognise/recognise.js';
import { patchedSource } from '../../../kit/filesystems/fuzz.js';
import { memorySource } from '../../../kit/filesystems/sources.js';

const MIB = 1024 * 1024;
const ZEROS = Buffer.alloc(4 * MIB);

/** What must be there besides a signature, for kinds that look twice. */
const BESIDES: Readonly<Record<string, readonly [offset: number, bytes: string]>> = {
  'an encrypted removable Windows volume (BitLocker To Go)': [3, 'MSWIN4.1'],
  'a volume of macOS (CoreStorage), as FileVault 2 makes it when it encrypts': [8, '\x01\0\x10\0'],
  'a file system of older Macs (HFS)': [1046, '\x10\0'],
  'a compressed read-only file system (SquashFS)': [28, '\x04\0'],
  'a log-structured file system (NILFS2)': [1024, '\x02\0\0\0'],
  'a Minix file system': [2048, '\x01'],
  'the metadata of a scoutfs cluster file system': [65_584, '\x01'],
  'the external journal of an ext4 file system': [1120, '\x08'],
};

for (const [name, kinds] of Object.entries({ ENCRYPTED, FOREIGN, ARRAYS, OTHERS })) {
  t.test(`${name}: each kind by its first and its last signature`, async (t) => {
    for (const { type, what, magics } of kinds) {
      for (const magic of new Set([magics[0], magics.at(-1)])) {
        const [offset, bytes] = magic ?? [0, ''];
        const patches = [[offset < 0 ? ZEROS.length + offset : offset, bytes] as const, BESIDES[what] ?? [0, '']];
        const source = patchedSource(
          ZEROS,
          patches.map(([at, text]) => ({ offset: at, bytes: Buffer.from(text, 'latin1') })),
        );
        const found = await recognise(source);
        t.equal(found?.type, type);
        t.ok(found?.what.startsWith(what), `${found?.what ?? ''} by what stands at ${offset}`);
      }
    }
  });
}

/** Zeros, and where they are read. */
function watched(sizeBytes: number): { source: ByteSource; reads: string[] } {
  const reads: string[] = [];
  const source: ByteSource = {
    ...memorySource(Buffer.alloc(0)),
    sizeBytes,
    read(target, offset) {
      reads.push(`${target.length} at ${offset}`);
      target.fill(0);
      return target.length;
    },
  };
  return { source, reads };
}

t.test('little is read to say what something is, and nothing twice', async (t) => {
  for (const sizeBytes of [0, 100, 70_000, 64 * MIB, 2 ** 44]) {
    const { source, reads } = watched(sizeBytes);
    const device = { name: 'vda', source, origin: { kind: 'volume' }, problems: [] } as const;
    t.match((await describe(device)).what, /^empty/);
    // The first and last MiB to see whether it is empty, and the places of signatures between them.
    t.ok(reads.length <= 48, `${reads.length} reads of ${sizeBytes} bytes`);
    t.equal(new Set(reads).size, reads.length);
  }
});
