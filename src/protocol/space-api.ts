/** How much room the disk of the store has; in bytes. */
export interface SpaceInfo {
  /** `stopped`: nothing is taken in until there is more room. */
  readonly state: 'ok' | 'warning' | 'stopped';
  readonly sizeBytes: number;
  readonly freeBytes: number;
  /** For deleting when nothing is free; 0 where there is none. */
  readonly reserveBytes: number;
  /** Files that can still be made, of so many; 0 of 0 where nobody counts them. */
  readonly freeFiles: number;
  readonly files: number;
  /** With less free than this there is a warning, and nothing is taken in; and it goes on with so much. */
  readonly warnBytes: number;
  readonly stopBytes: number;
  readonly resumeBytes: number;
  /** In how many days nothing is taken in any more, if it goes on as it did; absent if that is not known. */
  readonly fullInDays?: number;
}
