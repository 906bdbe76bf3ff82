import { isVolumeName } from '../common/names.js';
import { CHANGE_KINDS, type SuddenChange } from '../policies/sudden-change.js';
import type { Fields } from './fields.js';

/** How much of a volume was not as in the machine's newest shadow copy before, in bytes of chunks, holes left out. */
export interface VolumeChange {
  readonly name: string;
  /** What that one had of it. */
  readonly comparedBytes: number;
  readonly changedBytes: number;
  /** What those chunks take compressed. */
  readonly storedBytes: number;
  /** Bytes of those chunks that hardly shrink. */
  readonly incompressibleBytes: number;
}

/** Too much has changed, most of it in one volume. */
export interface SuddenVolumeChange extends SuddenChange {
  readonly volume: string;
}

/** What the server knows of how much changed in a machine; volumes that the shadow copy before did not have are left out. */
export interface ShadowCopyChange {
  /** Since the shadow copy before was made, by the wall clock of the server. */
  readonly elapsedMs: number;
  /** When it came into the store, by that clock. */
  readonly atMs: number;
  readonly volumes: readonly VolumeChange[];
  /** There, if it is too much. */
  readonly sudden?: SuddenVolumeChange;
}

/** What is known of how much changed. @throws {UmbraError} STORE_DAMAGED */
export function changeOf(fields: Fields): { readonly change?: ShadowCopyChange } {
  const change = fields.optionalRecord('change');
  if (change === undefined) return {};
  const volumes = change.records('volumes').map((volume) => ({
    name: volume.name('name', isVolumeName),
    comparedBytes: volume.whole('comparedBytes'),
    changedBytes: volume.whole('changedBytes'),
    storedBytes: volume.whole('storedBytes'),
    incompressibleBytes: volume.whole('incompressibleBytes'),
  }));
  const times = { elapsedMs: change.number('elapsedMs'), atMs: change.time('atMs') };
  return { change: { ...times, volumes, ...suddenOf(change) } };
}

/** Whether too much had changed. @throws {UmbraError} STORE_DAMAGED */
export function suddenOf(fields: Fields): { readonly sudden?: SuddenVolumeChange } {
  const sudden = fields.optionalRecord('sudden');
  if (sudden === undefined) return {};
  const kind = sudden.oneOf('kind', CHANGE_KINDS);
  const bytes = sudden.number('bytes');
  const usualBytes = sudden.number('usualBytes');
  const mostBytes = sudden.number('mostBytes');
  return { sudden: { kind, bytes, usualBytes, mostBytes, volume: sudden.name('volume', isVolumeName) } };
}
