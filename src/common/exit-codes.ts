/** The exit codes of `umbra`. README.md lists them and a test compares the two. */
export const EXIT_CODES = {
  OK: { code: 0, meaning: 'done' },
  INTERNAL: { code: 1, meaning: 'a defect in Umbra' },
  USAGE: { code: 2, meaning: 'the command line is wrong' },
  NOT_FOUND: { code: 3, meaning: 'what was named does not exist' },
  BUSY: { code: 4, meaning: 'something is in use; try again later' },
  DAMAGED: { code: 5, meaning: 'damaged data was found' },
  FULL: { code: 6, meaning: 'the disk of the store, or of the output, is full' },
  IMAGE: { code: 7, meaning: 'a disk image cannot be read as it should' },
  TARGET: { code: 8, meaning: 'the target of a restore cannot be used' },
  MOUNT: { code: 9, meaning: 'mounting or unmounting failed' },
  STORE: { code: 10, meaning: 'the store cannot be used' },
  SERVER: { code: 11, meaning: 'the server cannot be reached' },
  REFUSED: { code: 12, meaning: 'refused, to protect data' },
  SYSTEM: { code: 13, meaning: 'a program or library is missing' },
  BREACH: { code: 14, meaning: 'a machine would lose more than its policy accepts' },
  ALERT: { code: 15, meaning: 'an alert goes on' },
  KEY_MISSING: { code: 16, meaning: 'the store is encrypted, and no key was given' },
  KEY_WRONG: { code: 17, meaning: 'the key is not one of the store' },
  KEY_LOST: { code: 18, meaning: 'the wrapped keys of the store are gone' },
  KEY_DAMAGED: { code: 19, meaning: 'the wrapped keys of the store are damaged' },
  KEY_UNREADABLE: { code: 20, meaning: 'a key file cannot be read or a key command failed' },
  CANCELLED: { code: 130, meaning: 'interrupted' },
} as const;

export type ExitCodeName = keyof typeof EXIT_CODES;
