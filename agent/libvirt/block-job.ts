/** What libvirt does with the layers of a disk. */
export interface BlockJob {
  /** It merges layers: others copy the disk, or fill a layer. */
  readonly isMerge: boolean;
  /** A merge of what the guest writes to has caught up. */
  readonly isReady: boolean;
}
