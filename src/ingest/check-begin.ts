import { UmbraError } from '../common/errors.js';
import type { BeginFrame } from '../protocol/ingest.js';
import type { Sender } from './sender.js';

/** Refuse what a well-formed beginning must not say either. @throws {UmbraError} BAD_ARGUMENT */
export function checkBegin({ host }: Sender, { volumes }: BeginFrame): void {
  const names = new Set(volumes.map(({ name }) => name));
  if (names.size !== volumes.length) throw new UmbraError('BAD_ARGUMENT', 'two volumes have the same name');
  // The server itself would take an image with this fingerprint for one that it has.
  if (host !== undefined && volumes.some(({ fingerprint }) => fingerprint !== undefined)) {
    throw new UmbraError('BAD_ARGUMENT', 'an agent says nothing of an image that has not changed');
  }
}
