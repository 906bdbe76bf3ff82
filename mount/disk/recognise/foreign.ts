import { type Kind, type Magic, mountable } from './kind.js';

/** File systems that Umbra does not read. */
export const FOREIGN: readonly Kind[] = [
  {
    type: 'apfs',
    what: 'a file system of macOS (APFS)',
    hint: 'Umbra does not read APFS. A Mac does, and on Linux "apfs-fuse":',
    commands: ['apfs-fuse -o ro LOOP /mnt'],
    magics: [[32, 'NXSB']],
    uuid: { at: 72 },
  },
  {
    type: 'hfsplus',
    what: 'a file system of macOS (HFS+)',
    ...mountable('HFS+', 'hfsplus'),
    magics: [
      [1024, 'H+\x00\x04'],
      [1024, 'HX\x00\x05'],
    ],
  },
  {
    type: 'hfs',
    what: 'a file system of older Macs (HFS)',
    ...mountable('HFS', 'hfs'),
    magics: [[1024, 'BD']],
    check: hfsBlocks,
  },
  {
    type: 'refs',
    what: 'a file system of Windows (ReFS)',
    hint:
      'Umbra does not read ReFS. Windows Server and Windows for workstations do: attach a copy of the raw volume as a ' +
      'disk ("qemu-img convert -O vhdx" makes one that Windows mounts).',
    magics: [[3, 'ReFS\0\0\0\0']],
  },
  {
    type: 'udf',
    what: 'a file system of DVDs and removable disks (UDF)',
    ...mountable('UDF', 'udf'),
    magics: udfMagics(),
  },
  {
    type: 'iso9660',
    what: 'the file system of a CD or DVD (ISO 9660)',
    ...mountable('ISO 9660', 'iso9660'),
    magics: [
      [32_769, 'CD001'],
      [32_777, 'CDROM'],
    ],
    label: { at: 32_808, length: 32 },
  },
  {
    type: 'squashfs',
    what: 'a compressed read-only file system (SquashFS)',
    ...mountable('SquashFS', 'squashfs'),
    magics: [
      [0, 'hsqs'],
      [0, 'sqsh'],
    ],
    check: async (probe) => (await probe.has(28, '\x04\x00')) || (await probe.has(28, '\x00\x04')),
  },
  {
    type: 'squashfs3',
    what: 'a compressed read-only file system (SquashFS 3)',
    hint: 'Umbra does not read SquashFS. Linux reads version 4 only; for this "unsquashfs" of that time is needed.',
    magics: [
      [0, 'hsqs'],
      [0, 'sqsh'],
    ],
  },
  {
    type: 'erofs',
    what: 'a compressed read-only file system (EROFS)',
    ...mountable('EROFS', 'erofs'),
    magics: [[1024, '\xe2\xe1\xf5\xe0']],
    uuid: { at: 1072 },
    label: { at: 1088, length: 16 },
  },
  {
    type: 'f2fs',
    what: 'a file system for flash (F2FS)',
    ...mountable('F2FS', 'f2fs'),
    magics: [
      [1024, '\x10\x20\xf5\xf2'],
      [5120, '\x10\x20\xf5\xf2'],
    ],
    uuid: { at: 1132 },
    label: { at: 1148, length: 1024, form: 'utf16le' },
  },
  {
    type: 'nilfs2',
    what: 'a log-structured file system (NILFS2)',
    ...mountable('NILFS2', 'nilfs2'),
    magics: [[1030, '\x34\x34']],
    // Of revision 2, the only one there is.
    check: (probe) => probe.has(1024, '\x02\x00\x00\x00'),
    uuid: { at: 1176 },
    label: { at: 1192, length: 80 },
  },
  {
    type: 'jfs',
    what: 'a file system of AIX, OS/2 and Linux (JFS)',
    ...mountable('JFS', 'jfs'),
    magics: [[32_768, 'JFS1']],
    uuid: { at: 32_904 },
    label: { at: 32_920, length: 16 },
  },
  {
    type: 'reiserfs',
    what: 'a file system of older Linux systems (ReiserFS)',
    hint: 'Umbra does not read ReiserFS. Linux up to 6.12 does:',
    commands: ['mount -t reiserfs -o ro LOOP /mnt'],
    magics: [
      [65_588, 'ReIsErFs'],
      [65_588, 'ReIsEr2Fs'],
      [65_588, 'ReIsEr3Fs'],
      [8244, 'ReIsErFs'],
    ],
    uuid: { at: 65_620 },
    label: { at: 65_636, length: 16 },
  },
  {
    type: 'reiser4',
    what: 'a Reiser4 file system',
    hint: 'Umbra does not read Reiser4. A Linux kernel with the patches for Reiser4 does.',
    magics: [[65_536, 'ReIsEr4']],
    uuid: { at: 65_556 },
    label: { at: 65_572, length: 16 },
  },
  {
    type: 'bcachefs',
    what: 'a file system of newer Linux systems (bcachefs)',
    ...mountable('bcachefs', 'bcachefs'),
    magics: [[4120, '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef']],
    uuid: { at: 4152 },
    label: { at: 4168, length: 32 },
  },
  {
    type: 'ocfs2',
    what: 'a file system of Oracle clusters (OCFS2)',
    ...mountable('OCFS2', 'ocfs2'),
    magics: [1024, 2048, 4096, 8192].map((at): Magic => [at, 'OCFSV2']),
    fieldsFromMagic: true,
    label: { at: 272, length: 64 },
    uuid: { at: 336 },
  },
  {
    type: 'gfs2',
    what: 'a file system of Red Hat clusters (GFS2)',
    hint: 'Umbra does not read GFS2. Linux does, without its cluster:',
    commands: ['mount -t gfs2 -o ro,lockproto=lock_nolock LOOP /mnt'],
    magics: [[65_536, '\x01\x16\x19\x70\x00\x00\x00\x01']],
  },
  {
    type: 'VMFS',
    what: 'a datastore of VMware ESXi (VMFS)',
    hint: 'Umbra does not read VMFS. On Linux "vmfs-fuse" or, for version 6, "vmfs6-fuse" does:',
    commands: ['vmfs6-fuse LOOP /mnt'],
    magics: [
      [2_097_152, '\x5e\xf1\xab\x2f'],
      [1_048_576, '\x0d\xd0\x01\xc0'],
    ],
  },
  {
    type: 'ufs',
    what: 'a file system of BSD or Solaris (UFS)',
    hint: 'Umbra does not read UFS. BSD systems do, and Linux, if it is told which kind it is (see mount(8)):',
    commands: ['mount -t ufs -o ro,ufstype=ufs2 LOOP /mnt'],
    magics: [0, 8192, 65_536, 262_144].flatMap((at): Magic[] =>
      ['\x54\x19\x01\x00', '\x00\x01\x19\x54', '\x19\x01\x54\x19', '\x19\x54\x01\x19'].map((magic) => [
        at + 1372,
        magic,
      ]),
    ),
  },
  {
    type: 'minix',
    what: 'a Minix file system',
    ...mountable("Minix' file system", 'minix'),
    magics: [
      ...['\x7f\x13', '\x8f\x13', '\x68\x24', '\x78\x24', '\x13\x7f', '\x13\x8f', '\x24\x68', '\x24\x78'].map(
        (magic): Magic => [1040, magic],
      ),
      [1048, '\x5a\x4d'],
      [1048, '\x4d\x5a'],
    ],
    // Its superblock has nothing but numbers: the block with the inodes' bitmap has its first bits set.
    check: async (probe) =>
      (((await probe.at(2048, 1))?.[0] ?? 0) & 1) === 1 || (((await probe.at(4096, 1))?.[0] ?? 0) & 1) === 1,
  },
  {
    type: 'cramfs',
    what: 'a compressed read-only file system (cramfs)',
    ...mountable('cramfs', 'cramfs'),
    magics: [
      [0, '\x45\x3d\xcd\x28'],
      [0, '\x28\xcd\x3d\x45'],
    ],
    label: { at: 48, length: 16 },
  },
  {
    type: 'romfs',
    what: 'a small read-only file system (romfs)',
    ...mountable('romfs', 'romfs'),
    magics: [[0, '-rom1fs-']],
  },
  {
    type: 'bfs',
    what: 'the boot file system of UnixWare (BFS)',
    ...mountable('BFS', 'bfs'),
    magics: [[0, '\xce\xfa\xad\x1b']],
  },
  {
    type: 'hpfs',
    what: 'a file system of OS/2 (HPFS)',
    ...mountable('HPFS', 'hpfs'),
    magics: [[8192, '\x49\xe8\x95\xf9']],
  },
  {
    type: 'scoutfs_meta',
    what: 'the metadata of a scoutfs cluster file system',
    hint: 'Umbra does not read scoutfs. A node of its cluster does.',
    magics: [[65_540, '\x8b\x42\x3c\x10']],
    // The flag that says which of the two devices it is.
    check: (probe) => probe.has(65_584, '\x01'),
    uuid: { at: 65_592 },
  },
  {
    type: 'scoutfs_data',
    what: 'the data of a scoutfs cluster file system',
    hint: 'Umbra does not read scoutfs. A node of its cluster does.',
    magics: [[65_540, '\x8b\x42\x3c\x10']],
    uuid: { at: 65_592 },
  },
  {
    type: 'nss',
    what: 'a storage pool of Novell NetWare (NSS)',
    hint: 'Umbra does not read NSS. Open Enterprise Server does.',
    magics: [[4096, 'SPB5']],
  },
];

/** Of the size of its allocation blocks, which must be a multiple of 512. */
async function hfsBlocks(probe: { at(offset: number, length: number): Promise<Buffer | undefined> }): Promise<boolean> {
  const size = (await probe.at(1044, 4))?.readUInt32BE(0) ?? 0;
  return size > 0 && size % 512 === 0;
}

/** The descriptor that says UDF stands behind those of a CD's, if there are some, in blocks of 2 KiB or 4 KiB. */
function udfMagics(): Magic[] {
  return [2048, 4096].flatMap((block) =>
    Array.from({ length: 16 }, (_, index) => 32_769 + index * block).flatMap((at): Magic[] => [
      [at, 'NSR02'],
      [at, 'NSR03'],
    ]),
  );
}
