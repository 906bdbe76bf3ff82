import type { Kind } from './kind.js';

const CONTROLLER = {
  hint:
    'Its sectors are spread over several disks by a controller or its driver. If all disks of the array are volumes of ' +
    'this machine, give them as loop devices to "dmraid -ay" or "mdadm --assemble --scan" and mount what comes up.',
};

/** Parts of something bigger: of arrays, pools, caches and clusters. */
export const ARRAYS: readonly Kind[] = [
  {
    type: 'zfs_member',
    what: 'a part of a ZFS pool',
    hint: 'Umbra does not read ZFS. A machine with ZFS imports the pool, when loop devices over all its parts are there:',
    commands: ['zpool import -d /dev -o readonly=on -N -f -a', 'zfs mount -a'],
    magics: zfsMagics(),
  },
  {
    type: 'LVM1_member',
    what: 'a physical volume of the first LVM',
    hint: 'Umbra reads LVM2 only. Older Linux systems convert it: "vgconvert -M2".',
    magics: [
      [0, 'HM\x01\x00'],
      [0, 'HM\x02\x00'],
    ],
  },
  {
    type: 'bcache',
    what: 'a part of a bcache',
    hint: 'What is in it may be newer in the cache that belongs to it. Linux joins both, from writable copies of them:',
    commands: ['echo LOOP > /sys/fs/bcache/register', 'mount -o ro /dev/bcache0 /mnt'],
    magics: [[4120, '\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81']],
    uuid: { at: 4136 },
    label: { at: 4168, length: 32 },
  },
  {
    type: 'ceph_bluestore',
    what: 'a disk of a Ceph cluster (BlueStore)',
    hint: 'It holds objects of the cluster, not files. They are had from the cluster, or by "ceph-objectstore-tool".',
    magics: [[0, 'bluestore block device']],
  },
  {
    type: 'drbd',
    what: 'a replicated volume (DRBD) whose content is not known',
    hint: 'Its data stand before the metadata of DRBD, at the beginning of the raw volume, and nothing known is in them.',
    // v08 clean and unclean, and v09: 60 bytes into the superblock, which is 4 KiB before the end.
    magics: [
      [-4036, '\x83\x74\x02\x6b'],
      [-4036, '\x83\x74\x02\x6c'],
      [-4036, '\x83\x74\x02\x6d'],
      [-4036, '\x83\x74\x02\x6e'],
      [-4036, '\x83\x74\x02\x6f'],
    ],
  },
  {
    type: 'drbdmanage_control_volume',
    what: 'the control volume of a DRBD cluster',
    hint: 'There are no files of users in it.',
    cause: 'no-files',
    magics: [[0, '$DRBDmgr=q']],
  },
  {
    type: 'vdo',
    what: 'a deduplicated and compressed volume (VDO)',
    hint: 'Its blocks are deduplicated. Linux shows what is in it, from a writable copy, with lvm2 or "vdo import".',
    magics: [[0, 'dmvdo001']],
  },
  {
    type: 'ddf_raid_member',
    what: 'a part of a hardware RAID (DDF)',
    ...CONTROLLER,
    magics: [[-512, '\xde\x11\xde\x11']],
  },
  {
    type: 'isw_raid_member',
    what: "a part of a RAID of Intel's chips (Intel Matrix Storage)",
    ...CONTROLLER,
    magics: [[-1024, 'Intel Raid ISM Cfg Sig. ']],
  },
  {
    type: 'nvidia_raid_member',
    what: "a part of a RAID of NVIDIA's chips",
    ...CONTROLLER,
    magics: [[-1024, 'NVIDIA  ']],
  },
  {
    type: 'adaptec_raid_member',
    what: 'a part of a RAID of an Adaptec controller',
    ...CONTROLLER,
    magics: [[-512, '\x37\xfc\x4d\x1e']],
  },
  {
    type: 'promise_fasttrack_raid_member',
    what: 'a part of a RAID of a Promise controller',
    ...CONTROLLER,
    magics: [63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087].map(
      (sectors) => [-512 * sectors, 'Promise Technology, Inc.'] as const,
    ),
  },
];

/** An uberblock in any of the 128 places of the first label, written by a machine of either byte order. */
function zfsMagics(): (readonly [number, string])[] {
  return Array.from({ length: 128 }, (_, index) => 131_072 + index * 1024).flatMap((at) => [
    [at, '\x0c\xb1\xba\x00\x00\x00\x00\x00'] as const,
    [at, '\x00\x00\x00\x00\x00\xba\xb1\x0c'] as const,
  ]);
}
