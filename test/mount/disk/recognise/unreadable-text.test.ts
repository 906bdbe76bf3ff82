import t from 'tap';
import { WindowSource } from '../../../../mount/blocks/byte-source.js';
import type { BlockDevice } from '../../../../mount/disk/block-device.js';
import { describe } from '../../../../mount/disk/recognise/recognise.js';
import { unreadableText } from '../../../../mount/disk/recognise/unreadable-text.js';
import { patchedSource } from '../../../kit/filesystems/fuzz.js';
import { memorySource } from '../../../kit/filesystems/sources.js';

const MIB = 1024 * 1024;

t.test('an encrypted partition: what to do, with the place of its bytes', async (t) => {
  const disk = patchedSource(Buffer.alloc(4 * MIB), [{ offset: MIB, bytes: Buffer.from('LUKS\xba\xbe', 'latin1') }]);
  const device: BlockDevice = {
    name: 'vda3',
    source: new WindowSource(disk, MIB, 2 * MIB),
    origin: { kind: 'volume' },
    problems: ['it overlaps with vda2'],
  };
  t.equal(
    unreadableText(device, await describe(device)),
    `vda3: an encrypted volume (LUKS).

Umbra has no key for it, and asks for none. With a passphrase or key file of it you can open it
yourself:

    losetup --find --show --read-only --offset 1048576 --sizelimit 2097152 volumes/vda.raw
    cryptsetup open --readonly /dev/loopN vda3
    mount -o ro /dev/mapper/vda3 /mnt

Do this as root in the folder above this one. The first command prints the loop device, which the
others take for /dev/loopN. If root may not read this mount, copy the raw volume first and use the
copy.

Its bytes are in volumes/vda.raw, from byte 1048576 on, 2097152 bytes.

What else was found:
- it overlaps with vda2
`,
  );
});

t.test('what is in no one place has no recipe', async (t) => {
  const unreadable = { what: 'swap', hint: 'Nothing to do.', commands: ['swapon LOOP'] };
  const device: BlockDevice = {
    name: 'vg0-swap',
    source: memorySource(Buffer.alloc(0)),
    origin: { kind: 'volume' },
    problems: [],
  };
  t.equal(unreadableText(device, unreadable), 'vg0-swap: swap.\n\nNothing to do.\n');
  const twoPieces = {
    sizeBytes: 20,
    read: () => 0,
    locate: () => [0, 1].map((offset) => ({ volume: 'vda', offset: offset * 100, length: 10 })),
  };
  t.equal(unreadableText({ ...device, source: twoPieces }, unreadable), 'vg0-swap: swap.\n\nNothing to do.\n');
});
