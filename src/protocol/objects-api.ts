import type { WireError } from './api.js';
import type { Share } from '../common/share-names.js';

/**
 * How a client reads shadow copies of a server elsewhere, by their objects: it asks which there are, takes leases on those that it
 * reads over one connection that stays open, and asks for objects, many at a time, as they are stored. It checks each by its digest.
 */

/** The most objects in one request. */
export const MOST_OBJECTS = 256;

/** At least so often a client says something on its connection for leases, and the server answers; a silent one is gone. */
export const LEASE_ALIVE_MS = 15_000;
export const LEASE_SILENCE_MS = 60_000;

/** What volumes are made of: nodes and leaves of their trees, and chunks. */
export type ObjectKind = 'inner' | 'leaf' | 'chunk';

export interface ListedShadowCopy {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly timeMs: number;
  /** Digest of its record, in hex. */
  readonly record: string;
  /** The order in which shadow copies were made. */
  readonly order: number;
}

/** Which shadow copies there are; nothing but the tag when that is the one that the client knows already. */
export interface ShadowCopiesAnswer {
  readonly tag: string;
  readonly shadowCopies?: readonly ListedShadowCopy[];
  /** Of the machines whose replica is newer than their shadow copies. A server of before there were any says nothing of them. */
  readonly replicas?: readonly ListedShadowCopy[];
  readonly shares?: readonly Share[];
}

/** On the connection for leases, from the client. It chooses the numbers. */
export type LeaseFrame =
  | {
      readonly t: 'take';
      readonly lease: number;
      readonly machine: string;
      readonly shadowCopy: string;
      /** In hex: another one of the same name is not meant. */
      readonly record: string;
      /** Why it can't be forgotten, in words; without it, it can, and its data stays all the same. */
      readonly holder?: string;
    }
  | { readonly t: 'drop'; readonly lease: number }
  | { readonly t: 'alive' };

/** On the connection for leases, from the server. */
export type LeaseAnswer =
  | { readonly t: 'session'; readonly session: string }
  | { readonly t: 'taken'; readonly lease: number }
  | { readonly t: 'refused'; readonly lease: number; readonly error: WireError }
  | { readonly t: 'alive' }
  | { readonly t: 'error'; readonly error: WireError };

/** A region of a volume of a shadow copy that a lease is held on. */
export interface ObjectPlace {
  readonly lease: number;
  readonly volume: string;
  readonly region: number;
}

export interface ReadObjectsRequest {
  /** Of the connection that holds the leases. */
  readonly session: string;
  readonly kind: ObjectKind;
  /** In hex. */
  readonly digests: readonly string[];
  /** Where they are: on the way from a volume's root to one of these regions, or in it. Administrators need not say. */
  readonly places?: readonly ObjectPlace[];
  /** Have the server check each before it sends it, and note what is damaged. */
  readonly checked?: boolean;
}

/** The header of a frame of the answer; its body is the object as it is stored. One for each digest, in their order, then the end. */
export type ObjectFrame =
  | { readonly object: number }
  | { readonly object: number; readonly fault: string }
  | { readonly end: true }
  | { readonly error: WireError };
