import { join } from 'node:path';
import { Access } from '../access/access.js';
import { AccessStore } from '../access/access-store.js';
import { FailedTries } from '../access/failed-tries.js';
import { CertificateAuthority } from '../certificates/authority.js';
import type { Clock } from '../common/clock.js';
import type { PrivateFiles } from '../system/private-files.js';

/** Who may come to a store's server from outside, and who vouches for it: read, and made if need be, when it is asked for. */
export interface RemoteAccess {
  readonly authority: CertificateAuthority;
  readonly access: Access;
  /** Of tokens. */
  readonly failedTries: FailedTries;
  /** What the store's own secrets are kept in. */
  readonly files: PrivateFiles;
}

/** Where a store's certificates are. */
export function tlsDirectory(store: string): string {
  return join(store, 'tls');
}

/** @throws {UmbraError} STORE_DAMAGED, STORE_FAILED */
export async function openRemoteAccess(store: string, files: PrivateFiles, clock: Clock): Promise<RemoteAccess> {
  const accessStore = await AccessStore.open(join(store, 'access.json'), files);
  const authority = await CertificateAuthority.open(tlsDirectory(store), clock, files);
  return { authority, access: new Access(accessStore, clock), failedTries: new FailedTries(clock), files };
}
