import type { ShadowCopySummary, ShadowCopyView } from '../source.js';
import type { TreeContext } from './context.js';

/** One shadow copy as its nodes see it. */
export interface VersionContext extends TreeContext {
  readonly summary: ShadowCopySummary;
  /** The inode number of a node of this shadow copy. */
  ino(index: number): number;
  /** Opens the shadow copy, or finds it open. */
  view(): Promise<ShadowCopyView>;
}
