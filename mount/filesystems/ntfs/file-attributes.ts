/** The attributes of a file as Windows knows them ([MS-FSCC] 2.6), and those that only the volume has. */
export const FileAttribute = {
  READ_ONLY: 0x1,
  HIDDEN: 0x2,
  SYSTEM: 0x4,
  DIRECTORY: 0x10,
  ARCHIVE: 0x20,
  REPARSE_POINT: 0x400,
  OFFLINE: 0x1000,
  NOT_INDEXED: 0x2000,
  RECALL_ON_OPEN: 0x40000,
  RECALL_ON_DATA_ACCESS: 0x400000,
  /** In a directory's entries: the file is a directory. */
  HAS_INDEX: 0x10000000,
} as const;
