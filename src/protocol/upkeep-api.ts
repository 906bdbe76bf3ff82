/** What crosses the server's socket, and what `--json` prints, about reading everything again and what is damaged. */

export interface ScrubResult {
  /** The server reads everything again and again by itself. */
  readonly isRunning: boolean;
  /** Everything is read once in so many days; 0 if the server does not do that. */
  readonly days: number;
  readonly objects: number;
  readonly storedBytes: number;
  /** Not everything was read yet: `storedBytes` and `bytesPerDay` take what was not for as large as what was. */
  readonly isEstimate: boolean;
  /** Objects that were never read since they were stored. */
  readonly unreadObjects: number;
  /** Every object that was there then was read since; absent as long as one was not. */
  readonly readSince?: string;
  /** For how long some object was not read, at most. */
  readonly oldestDays: number;
  /** That is longer than it should be. */
  readonly isLate: boolean;
  /** Of the pass from the first object to the last that runs: since when, how far, and when it ends at this pace. */
  readonly passBeganAt?: string;
  readonly passObjects: number;
  readonly passEndsAt?: string;
  /** What has to be read each day. */
  readonly bytesPerDay: number;
  /** Read since the server started. */
  readonly readBytes: number;
  /** What is known to be damaged; "umbra damage" names it. */
  readonly damagedObjects: number;
}

export interface DamageRequest {
  /** All machines without it. */
  readonly machine?: string;
  /** All shadow copies without it. */
  readonly version?: string;
}

/** Something that can't be read any more. */
export interface DamagedObjectInfo {
  readonly object: string;
  /** `chunk`, `leaf`, `node`, `record`, …; `table` and `index` for files of the databases. */
  readonly kind: string;
  readonly reason: string;
  /** When it was found; absent where that is not known. */
  readonly foundAt?: string;
}

/** A stretch of a volume that can't be read. */
export interface DamagedPlaceInfo {
  readonly object: string;
  readonly machine: string;
  /** Empty if it is the shadow copy's record, with its configuration and all its volumes. */
  readonly volume: string;
  readonly offset: number;
  readonly length: number;
  /** In which shadow copies, the oldest first: the first of them, and how many. */
  readonly shadowCopies: readonly string[];
  readonly shadowCopyCount: number;
  /** Whether the machine's newest shadow copy is one of them: then its next backup reads it again from the source. */
  readonly isInNewest: boolean;
}

/** A file in a guest of which some bytes can't be read. */
export interface DamagedFileInfo {
  readonly machine: string;
  readonly path: string;
  readonly damagedBytes: number;
  /** In which shadow copies, the oldest first: the first of them, and how many. */
  readonly shadowCopies: readonly string[];
  readonly shadowCopyCount: number;
}

export interface DamageResult {
  readonly objects: readonly DamagedObjectInfo[];
  readonly objectCount: number;
  readonly places: readonly DamagedPlaceInfo[];
  readonly placeCount: number;
  readonly files: readonly DamagedFileInfo[];
  readonly fileCount: number;
  /** What could not be looked at because of damage, with all below it. */
  readonly unread: readonly {
    readonly machine: string;
    readonly shadowCopy: string;
    readonly path: string;
    readonly reason: string;
  }[];
  readonly unreadCount: number;
  /** `MACHINE@SHADOW-COPY` in which files were looked for only where those of newer ones are. */
  readonly onlyByPath: readonly string[];
  readonly advice?: string;
  readonly seconds: number;
}
