import type { ClassicLevel } from 'classic-level';
import { Level } from 'level';

/**
 * LevelDB. In Node.js `level` is classic-level, but its types name only what browsers can do too: no compaction of a range,
 * no repair.
 */
export const NodeLevel = Level as unknown as typeof ClassicLevel;
