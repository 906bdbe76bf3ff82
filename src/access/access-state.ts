import { UmbraError } from '../common/errors.js';
import { checkAdministratorName, checkHostName, LONG_NAME, SHORT_NAME } from '../common/names.js';
import { list, named, object, string, validator, whole, type Validator } from '../common/params.js';

/** A certificate that holds: those that are not on the list of their owner do not, whatever they say. */
export interface KnownCertificate {
  /** Hex digits. */
  readonly serial: string;
  readonly expiresMs: number;
}

export interface Administrator {
  readonly name: string;
  readonly id: string;
  /** Of the token's secret. */
  readonly hash: string;
  readonly createdMs: number;
  /** When the token and all certificates end; never without it. */
  readonly expiresMs?: number;
  readonly certificates: readonly KnownCertificate[];
}

/** An invitation to one host, for one use. */
export interface Join {
  readonly id: string;
  readonly hash: string;
  readonly host: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly usedMs?: number;
}

export interface Agent {
  readonly host: string;
  readonly enrolledMs: number;
  readonly revokedMs?: number;
  /** As far as it was written down: not each time. */
  readonly lastSeenMs?: number;
  readonly certificates: readonly KnownCertificate[];
}

/** Who may do what: all of STORE/access.json. */
export interface AccessState {
  readonly administrators: readonly Administrator[];
  readonly joins: readonly Join[];
  readonly agents: readonly Agent[];
}

export const NOBODY: AccessState = { administrators: [], joins: [], agents: [] };

const VERSION = 1;

const timeMs = whole(0, Number.MAX_SAFE_INTEGER, 'a time in milliseconds');

function hex(digits: RegExp): Validator<string> {
  return validator({ type: 'string', pattern: digits.source }, (value, field) => {
    const text = string(value, field);
    if (digits.test(text)) return text;
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must be hex digits, as many as there are in what Umbra writes`);
  });
}

const host = named(LONG_NAME, 'hv1', checkHostName);
const name = named(SHORT_NAME, 'anna', checkAdministratorName);
const version = validator({ const: VERSION }, (value, field): typeof VERSION => {
  if (value === VERSION) return VERSION;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be ${VERSION}`);
});
const id = hex(/^[0-9a-f]{16}$/);
const hash = hex(/^[0-9a-f]{64}$/);
const certificates = list(object({ serial: hex(/^[0-9a-f]{32}$/), expiresMs: timeMs }));

const file = object({
  version,
  administrators: list(object({ name, id, hash, createdMs: timeMs, certificates }, { expiresMs: timeMs })),
  joins: list(object({ id, hash, host, createdMs: timeMs, expiresMs: timeMs }, { usedMs: timeMs })),
  agents: list(object({ host, enrolledMs: timeMs, certificates }, { revokedMs: timeMs, lastSeenMs: timeMs })),
});

/** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME, naming what is wrong with it */
export function decodeAccess(text: string): AccessState {
  const { administrators, joins, agents } = file(parse(text), '');
  refuseTwice(
    'administrator',
    administrators.map((entry) => entry.name),
  );
  refuseTwice(
    'token',
    [...administrators, ...joins].map((entry) => entry.id),
  );
  refuseTwice(
    'agent',
    agents.map((entry) => entry.host),
  );
  return { administrators, joins, agents };
}

export function encodeAccess(state: AccessState): string {
  return `${JSON.stringify({ version: VERSION, ...state }, undefined, 2)}\n`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', 'it is not JSON', { cause });
  }
}

function refuseTwice(kind: string, names: readonly string[]): void {
  const twice = names.find((entry, index) => names.indexOf(entry) !== index);
  if (twice !== undefined) throw new UmbraError('BAD_ARGUMENT', `the ${kind} ${twice} is there twice`);
}
