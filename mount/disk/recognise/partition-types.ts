import type { Unreadable } from '../block-device.js';

const NO_FILES = { hint: 'There are no files in it, so there is nothing to show.', cause: 'no-files' } as const;
const DYNAMIC: Unreadable = {
  what: 'a part of a Windows dynamic disk (LDM)',
  hint:
    'Its volumes may be spread over several partitions and disks. On Linux "ldmtool create all" finds them, on loop ' +
    'devices over all the disks of the machine; then mount what appears in /dev/mapper.',
};
const BOOT_CODE: Unreadable = { what: 'a place for boot code', ...NO_FILES };

const TYPES: ReadonlyMap<string, Unreadable> = new Map([
  ['e3c9e316-0b5c-4db8-817d-f92df00215ae', { what: "Windows' reserved partition", ...NO_FILES }],
  ['21686148-6449-6e6f-744e-656564454649', { what: "a place for GRUB's boot code", ...NO_FILES }],
  ['9e1a2d38-c612-4316-aa26-8b49521e5a8b', BOOT_CODE],
  ['0x41', BOOT_CODE],
  ['8da63339-0007-60c0-c436-083ac8230908', { what: 'a reserved partition', ...NO_FILES }],
  ['5808c8aa-7e8f-42e0-85d2-e1e90434cfb3', { what: 'the database of a Windows dynamic disk (LDM)', ...NO_FILES }],
  ['af9b60a0-1431-4f62-bc68-3311714a69ad', DYNAMIC],
  ['0x42', DYNAMIC],
  [
    'e75caf8f-f680-4cee-afa3-b001e56efc2d',
    {
      what: 'a disk of a storage pool of Windows (Storage Spaces)',
      hint:
        'Its files are in the virtual disks of the pool, which only Windows puts together: attach copies of all its raw ' +
        'volumes to a Windows machine. To have files here, protect the machine from the inside.',
    },
  ],
  [
    '53746f72-6167-11aa-aa11-00306543ecac',
    {
      what: 'a part of a CoreStorage volume of macOS',
      hint: 'A Mac opens it, when the raw volume is written to a disk.',
    },
  ],
]);

/** What a partition must be by its type, when its content says nothing; undefined if the type says nothing either. */
export function describePartitionType(type: string): Unreadable | undefined {
  return TYPES.get(type);
}
