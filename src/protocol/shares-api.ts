/** What crosses the server's socket, and what `--json` prints, about directories shared with previous versions. */
export interface ShareInfo {
  readonly name: string;
  readonly machine: string;
  /** Below `files/` of each shadow copy: `vda1/srv/data`. */
  readonly path: string;
}

export interface AddShareRequest extends ShareInfo {
  /** Also if the newest shadow copy has no such directory. */
  readonly force?: boolean;
}

export interface RemoveShareRequest {
  readonly name: string;
}
