/** What crosses the server's wire, and what `--json` prints, about data that has suddenly changed. */

/** Too much has changed with a shadow copy. */
export interface SuddenChangeInfo {
  /** All that changed, or what of it does not compress. */
  readonly kind: 'changed' | 'incompressible';
  readonly bytes: number;
  /** The median of shadow copies before. */
  readonly usualBytes: number;
  /** More than this is too much. */
  readonly mostBytes: number;
  /** In which most of it is. */
  readonly volume: string;
}

/** A machine of which nothing is deleted up to a shadow copy, since too much has changed with that one. */
export interface HeldMachine extends SuddenChangeInfo {
  readonly machine: string;
  readonly shadowCopy: string;
  /** The moment that it shows. */
  readonly time: string;
  /** How many are not deleted: it and those before. */
  readonly heldShadowCopies: number;
}

export interface AcknowledgeRequest {
  readonly machine: string;
}

export interface AcknowledgeResult extends HeldMachine {
  /** Who did, for people. */
  readonly by: string;
}
