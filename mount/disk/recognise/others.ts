import { type Kind } from './kind.js';

const PAGE_SIZES = [4096, 8192, 16_384, 65_536] as const;

function atPageEnds(magics: readonly string[]): (readonly [number, string])[] {
  return PAGE_SIZES.flatMap((size) => magics.map((magic) => [size - 10, magic] as const));
}

const IMAGE = {
  hint: 'It is an image of a disk, not a disk. Make a raw one of a copy of it, and look at that: "qemu-img convert -O raw".',
};

/** What is neither a file system nor a part of one. */
export const OTHERS: readonly Kind[] = [
  {
    type: 'swsuspend',
    what: 'the memory of a machine that was sent to sleep (a hibernation image in swap space)',
    hint: 'There are no files in it. Only the machine itself can take it up again, when it starts.',
    cause: 'no-files',
    magics: atPageEnds(['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001', '\xed\xc3\x02\xe9\x98\x56\xe5\x0c']),
  },
  {
    type: 'swap',
    what: 'swap space of Linux',
    hint: 'There are no files in it: it holds pages of memory while the machine runs.',
    cause: 'no-files',
    magics: atPageEnds(['SWAPSPACE2', 'SWAP-SPACE']),
    uuid: { at: 1036 },
    label: { at: 1052, length: 16 },
  },
  {
    type: 'jbd',
    what: 'the external journal of an ext4 file system',
    hint: 'There are no files in it: they are in the file system to which the journal belongs.',
    cause: 'no-files',
    magics: [[1080, '\x53\xef']],
    check: async (probe) => (((await probe.at(1120, 4))?.readUInt32LE(0) ?? 0) & 8) !== 0,
    uuid: { at: 1128 },
    label: { at: 1144, length: 16 },
  },
  {
    type: 'xfs_external_log',
    what: 'the external log of an XFS file system',
    hint: 'There are no files in it: they are in the file system to which the log belongs.',
    cause: 'no-files',
    magics: Array.from({ length: 64 }, (_, index) => [index * 512, '\xfe\xed\xba\xbe'] as const),
    // Version 1 or 2.
    check: async (probe) => !(await probe.has(0, 'XFSB')),
  },
  { type: 'qcow2', what: 'a disk image of QEMU (qcow2)', ...IMAGE, magics: [[0, 'QFI\xfb']] },
  { type: 'vhdx', what: 'a virtual hard disk of Hyper-V (VHDX)', ...IMAGE, magics: [[0, 'vhdxfile']] },
  {
    type: 'vhd',
    what: 'a virtual hard disk of Hyper-V (VHD)',
    ...IMAGE,
    magics: [
      [0, 'conectix'],
      [-512, 'conectix'],
    ],
  },
  { type: 'vmdk', what: 'a virtual disk of VMware (VMDK)', ...IMAGE, magics: [[0, 'KDMV']] },
  {
    type: 'ldm',
    what: 'a Windows dynamic disk (LDM)',
    hint: 'Its volumes may be spread over several disks. On Linux "ldmtool" finds them, on loop devices over all the disks:',
    commands: ['ldmtool create all', 'mount -o ro /dev/mapper/ldm_vol_NAME /mnt'],
    magics: [[3072, 'PRIVHEAD']],
  },
  {
    type: 'bsd',
    what: 'a disk label of BSD',
    hint: 'Umbra does not read the partitions of BSD. Linux with support for them shows them on the loop device:',
    commands: ['partx --add LOOP'],
    magics: [
      [512, '\x57\x45\x56\x82'],
      [64, '\x57\x45\x56\x82'],
    ],
  },
  {
    type: 'sun',
    what: 'a disk with a partition table of Sun',
    hint: "Umbra does not read Sun's partition tables. Linux with support for them shows the partitions on the loop device:",
    commands: ['partx --add LOOP'],
    magics: [[508, '\xda\xbe']],
  },
  {
    type: 'dasd',
    what: 'a disk of a mainframe (DASD)',
    hint: 'Umbra does not read its partitions. Linux on IBM Z does.',
    magics: ['\xd3\xd5\xe7\xf1', '\xe5\xd6\xd3\xf1'].flatMap((magic) =>
      [512, 1024, 4096, 8192].map((at) => [at, magic] as const),
    ),
  },
];
