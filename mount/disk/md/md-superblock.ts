/** What the superblock of a member of a Linux software RAID says (Documentation/admin-guide/md.rst, md_p.h). */
export interface MdSuperblock {
  readonly version: '0.90' | '1.0' | '1.1' | '1.2';
  /** Of the array; as `blkid` prints it. */
  readonly uuid: string;
  /** `host:data` for an array that was made on the machine `host`; `0` for /dev/md0. */
  readonly arrayName: string;
  readonly level: number;
  readonly layout: number;
  readonly chunkBytes: number;
  readonly members: number;
  /** Of each member that the array uses, 0 if each uses all of its own. */
  readonly usedBytes: number;
  /** Where this member's data begin, and how much room for them there is. */
  readonly dataStart: number;
  readonly dataBytes: number;
  /** Grows with each change: what is behind is out of date. */
  readonly events: bigint;
  /** Its place in the array; undefined for a spare or a failed member. */
  readonly role: number | undefined;
  /** True if its data are complete. */
  readonly inSync: boolean;
  /** What makes the array unreadable: it is being reshaped, or has a journal. */
  readonly obstacle?: string;
  /** Where the superblock itself stands. */
  readonly superblockAt: number;
}
