import { isErrorCode, isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import type { WireError } from './api.js';

/** Anything that was thrown, as it crosses the socket. What has no code of ours is a defect: INTERNAL. */
export function toWireError(error: unknown): WireError {
  if (!isUmbraError(error)) return { code: 'INTERNAL', message: messageOf(error) };
  return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}

/** The error that {@link toWireError} was given, with its code, message and hint; INTERNAL for a code that is not known here. */
export function fromWireError(wire: WireError): UmbraError {
  if (!isErrorCode(wire.code)) return new UmbraError('INTERNAL', `${wire.code}: ${wire.message}`);
  return new UmbraError(wire.code, wire.message, wire.hint === undefined ? {} : { hint: wire.hint });
}

/** True if `value` has the shape of a {@link WireError}. */
export function isWireError(value: unknown): value is WireError {
  if (typeof value !== 'object' || value === null) return false;
  if (!('code' in value) || !('message' in value)) return false;
  if (typeof value.code !== 'string' || typeof value.message !== 'string') return false;
  return !('hint' in value) || typeof value.hint === 'string';
}
