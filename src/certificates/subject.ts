import type { X509Certificate } from 'node:crypto';
import { isAdministratorName, isHostName } from '../common/names.js';

/** Whom a client certificate is for. */
export type Subject =
  | { readonly role: 'agent'; readonly host: string }
  | { readonly role: 'administrator'; readonly name: string };

const PREFIX = 'urn:umbra:';

/** The URI that stands in the certificate as its only alternative name: `urn:umbra:agent:hv1`. */
export function subjectUri(subject: Subject): string {
  return `${PREFIX}${subject.role}:${subject.role === 'agent' ? subject.host : subject.name}`;
}

/** Whom a certificate is for; undefined if it does not say just that. Who signed it is for the caller to know. */
export function subjectOf(certificate: X509Certificate): Subject | undefined {
  const [, role, name = ''] =
    /^URI:urn:umbra:(agent|administrator):([A-Za-z0-9._-]+)$/.exec(certificate.subjectAltName ?? '') ?? [];
  if (role === 'agent' && isHostName(name)) return { role, host: name };
  if (role === 'administrator' && isAdministratorName(name)) return { role, name };
  return undefined;
}
