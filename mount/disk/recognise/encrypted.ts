import type { Kind } from './kind.js';

const NO_KEY = 'Umbra has no key for it, and asks for none.';

/** Containers whose content is encrypted. */
export const ENCRYPTED: readonly Kind[] = [
  {
    type: 'crypto_LUKS',
    what: 'an encrypted volume (LUKS)',
    hint: `${NO_KEY} With a passphrase or key file of it you can open it yourself:`,
    commands: ['cryptsetup open --readonly LOOP NAME', 'mount -o ro /dev/mapper/NAME /mnt'],
    // The second header of LUKS 2 stands at one of several places; the smallest is the one that is made.
    magics: [
      [0, 'LUKS\xba\xbe'],
      [16_384, 'SKUL\xba\xbe'],
    ],
    uuid: { at: 168, length: 40, form: 'utf8' },
  },
  {
    type: 'BitLocker',
    what: 'an encrypted Windows volume (BitLocker)',
    hint: `${NO_KEY} With the recovery key (48 digits; it is in Active Directory, Entra ID or on paper) or a password:`,
    commands: ['cryptsetup open --type bitlk --readonly LOOP NAME', 'mount -o ro /dev/mapper/NAME /mnt'],
    magics: [[3, '-FVE-FS-']],
  },
  {
    type: 'BitLocker',
    what: 'an encrypted removable Windows volume (BitLocker To Go)',
    hint: `${NO_KEY} With its password or its recovery key:`,
    commands: ['cryptsetup open --type bitlk --readonly LOOP NAME', 'mount -o ro /dev/mapper/NAME /mnt'],
    magics: [[424, '\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01']],
    check: (probe) => probe.has(3, 'MSWIN4.1'),
  },
  {
    type: 'core_storage',
    what: 'a volume of macOS (CoreStorage), as FileVault 2 makes it when it encrypts',
    hint: `${NO_KEY} A Mac opens it with the password or the recovery key, on Linux "fvdemount" of libfvde does:`,
    commands: ['fvdemount -r RECOVERY-KEY LOOP /mnt'],
    magics: [[88, 'CS']],
    // Version 1 and block type 0x10 of a physical volume's header (libfvde's documentation).
    check: (probe) => probe.has(8, '\x01\x00\x10\x00'),
  },
  {
    type: 'DM_integrity',
    what: 'a volume with checksums under it (dm-integrity)',
    hint: 'Its sectors are mixed with checksums. Linux opens it if it was made without a key:',
    commands: ['integritysetup open --integrity-recovery-mode LOOP NAME', 'mount -o ro /dev/mapper/NAME /mnt'],
    magics: [[0, 'integrt\0']],
  },
  {
    type: 'DM_verity_hash',
    what: 'the checksums of another partition (dm-verity)',
    hint: 'There are no files in it. What it protects is in another partition, which is shown beside it.',
    cause: 'no-files',
    magics: [[0, 'verity\0\0']],
    uuid: { at: 16 },
  },
];
