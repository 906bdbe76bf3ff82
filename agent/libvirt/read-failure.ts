import { UmbraError } from '../../src/common/errors.js';
import { printable } from '../../src/common/printable.js';
import { LibvirtFailure } from './libvirt-error.js';
import { LIBVIRT_ERROR } from './protocol.js';
import type { XdrReader } from './xdr.js';

const DENIED: readonly number[] = [
  LIBVIRT_ERROR.operationDenied,
  LIBVIRT_ERROR.authFailed,
  LIBVIRT_ERROR.authCancelled,
  LIBVIRT_ERROR.accessDenied,
  LIBVIRT_ERROR.authUnavailable,
];

const MAX_MESSAGE = 1000;

/** The body of an answer with the status "error", a virNetMessageError, as one of our errors. */
export function readFailure(reader: XdrReader): UmbraError {
  const number = reader.int();
  const domain = reader.int();
  const message = printable(reader.optionalString() ?? '').slice(0, MAX_MESSAGE) || 'no reason given';
  const cause = new LibvirtFailure(number, domain, message);
  if (number === LIBVIRT_ERROR.noDomain) return new UmbraError('NOT_FOUND', `libvirt: ${message}`, { cause });
  const what = `libvirt: ${message} (error ${number} of part ${domain})`;
  if (!DENIED.includes(number)) return new UmbraError('HYPERVISOR_FAILED', what, { cause });
  return new UmbraError('HYPERVISOR_DENIED', what, {
    hint: 'Run the agent as root, or add its user to the group "libvirt".',
    cause,
  });
}
