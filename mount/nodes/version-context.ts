import type { ShadowFiles } from '../files/shadow-files.js';
import type { ShadowCopySummary, ShadowCopyView } from '../source.js';
import type { TreeContext } from './context.js';

/** One shadow copy as its nodes see it. */
export interface VersionContext extends TreeContext {
  readonly machine: string;
  readonly summary: ShadowCopySummary;
  /** The inode number of a node of this shadow copy. */
  ino(index: number): number;
  /** Opens the shadow copy, or finds it open. */
  view(): Promise<ShadowCopyView>;
  /** Opens its partitions, or finds them open; see FilesService. */
  openFiles(): Promise<ShadowFiles>;
}
