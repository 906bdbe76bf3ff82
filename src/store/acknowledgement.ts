import { isMachineName, isShadowCopyName } from '../common/names.js';

/** Somebody has looked at what changed in a machine up to a shadow copy, and that is as it should be. */
export interface Acknowledgement {
  readonly machine: string;
  /** The newest of then, and the order of its listing. */
  readonly shadowCopy: string;
  readonly order: number;
  /** When, by the wall clock. */
  readonly atMs: number;
  /** Who, for people. */
  readonly by: string;
}

/** One of a store's settings; none if it is not right, which a newer version may have written. */
export function parseAcknowledgement(value: unknown): Acknowledgement[] {
  const { machine, shadowCopy, order, atMs, by } = Object(value) as Readonly<Record<string, unknown>>;
  if (typeof machine !== 'string' || !isMachineName(machine)) return [];
  if (typeof shadowCopy !== 'string' || !isShadowCopyName(shadowCopy) || typeof by !== 'string') return [];
  if (typeof order !== 'number' || !Number.isSafeInteger(order) || typeof atMs !== 'number') return [];
  return [{ machine, shadowCopy, order, atMs, by }];
}
