/** How large a disk of a domain is. */
export interface BlockInfo {
  /** The virtual size. */
  readonly capacityBytes: number;
  /** What the image takes on its host. */
  readonly allocationBytes: number;
}
