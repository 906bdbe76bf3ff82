import type { DamageRequest, DamageResult, ScrubResult } from '../protocol/upkeep-api.js';
import type { JobContext } from './job-context.js';

/** What operations ask of those who keep the store sound. */
export interface SoundStore {
  /** @throws {UmbraError} STORE_IN_USE while the store is rebuilt, STORE_FAILED */
  scrubbed(): Promise<ScrubResult>;
  /** The same of a server that reads by itself; undefined of another one, and while it is not known. */
  figures(): Promise<ScrubResult | undefined>;
  /** Read everything once, at once. @throws {UmbraError} STORE_FULL, STORE_FAILED, CANCELLED */
  scrubNow(context: JobContext): Promise<ScrubResult>;
  /** @throws {UmbraError} NOT_FOUND, STORE_*, CANCELLED */
  damage(request: DamageRequest, context: JobContext): Promise<DamageResult>;
}
