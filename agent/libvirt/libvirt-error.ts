import { UmbraError } from '../../src/common/errors.js';

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

/**
 * The number that libvirt gave its error (virErrorNumber); undefined when `error` is none of libvirt's.
 * Messages change with versions and languages, numbers do not.
 */
export function libvirtNumber(error: unknown): number | undefined {
  const cause = error instanceof UmbraError ? error.cause : undefined;
  return cause instanceof LibvirtFailure ? cause.number : undefined;
}

/** The other side said something that the protocol forbids. */
export function protocolError(what: string): UmbraError {
  return new UmbraError('HYPERVISOR_FAILED', `libvirt broke its protocol: ${what}`, {
    hint: 'Is that the socket of libvirtd or virtqemud?',
  });
}
