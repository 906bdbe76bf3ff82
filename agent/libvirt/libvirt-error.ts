import { printable } from '../../src/common/printable.js';
import { UmbraError } from '../../src/common/errors.js';
import { LIBVIRT_ERROR } from './protocol.js';
import type { XdrReader } from './xdr.js';

/** What libvirt said of a call that failed: the cause of the UmbraError that is thrown. */
export class LibvirtFailure extends Error {
  override readonly name = 'LibvirtFailure';
  /** Of virErrorNumber. */
  readonly number: number;
  /** Of virErrorDomain: the part of libvirt that failed. */
  readonly domain: number;

  constructor(number: number, domain: number, message: string) {
    super(message);
    this.number = number;
    this.domain = domain;
  }
}

const DENIED: readonly number[] = [
  LIBVIRT_ERROR.operationDenied,
  LIBVIRT_ERROR.authFailed,
  LIBVIRT_ERROR.authCancelled,
  LIBVIRT_ERROR.accessDenied,
  LIBVIRT_ERROR.authUnavailable,
];

const MAX_MESSAGE = 1000;

/**
 * The number that libvirt gave its error (virErrorNumber); undefined when `error` is none of libvirt's.
 * Messages change with versions and languages, numbers do not.
 */
export function libvirtNumber(error: unknown): number | undefined {
  const cause = error instanceof UmbraError ? error.cause : undefined;
  return cause instanceof LibvirtFailure ? cause.number : undefined;
}

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

/** The other side said something that the protocol forbids. */
export function protocolError(what: string): UmbraError {
  return new UmbraError('HYPERVISOR_FAILED', `libvirt broke its protocol: ${what}`, {
    hint: 'Is that the socket of libvirtd or virtqemud?',
  });
}
