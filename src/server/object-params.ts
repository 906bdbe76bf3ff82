import { DIGEST_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import type { JsonSchema } from '../common/json-schema.js';
import {
  boolean,
  list,
  machine,
  object,
  oneOf,
  string,
  validator,
  version,
  volume,
  whole,
  type Validator,
} from '../common/params.js';
import { MOST_OBJECTS, type LeaseFrame } from '../protocol/objects-api.js';

/** The parameters of the routes at which shadow copies are read; unknown fields are refused. */

const MAX_HOLDER = 256;
/** More than any volume has. */
const MAX_REGION = 2 ** 40;

const DIGEST: JsonSchema = {
  type: 'string',
  pattern: `^[0-9a-f]{${DIGEST_BYTES * 2}}$`,
  examples: ['0'.repeat(DIGEST_BYTES * 2)],
};

const digest = validator(DIGEST, (value, field): Uint8Array => {
  const bytes = Buffer.from(string(value, field), 'hex');
  if (bytes.length === DIGEST_BYTES && bytes.toString('hex') === value) return bytes;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a digest: ${DIGEST_BYTES * 2} hex digits`);
});

const holder = validator({ type: 'string', minLength: 1, maxLength: MAX_HOLDER }, (value, field): string => {
  const text = string(value, field);
  if (text.length <= MAX_HOLDER) return text;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must have at most ${MAX_HOLDER} characters`);
});

const number = whole(0, MAX_REGION);
const digests = list(digest, 1, MOST_OBJECTS);
const place = object({ lease: number, volume, region: number });

export const shadowCopiesParams = object({}, { known: string });
export const recordParams = object({ machine, version, record: digest });
export const readObjectsParams = object(
  { session: string, kind: oneOf('inner', 'leaf', 'chunk'), digests },
  { places: list(place, 1, MOST_OBJECTS), checked: boolean },
);

const takeFrame = object({ t: oneOf('take'), lease: number, machine, shadowCopy: version, record: digest }, { holder });
const dropFrame = object({ t: oneOf('drop'), lease: number });
const aliveFrame = object({ t: oneOf('alive') });

/** What a client says on its connection for leases. */
export type CheckedLeaseFrame =
  | ReturnType<typeof takeFrame>
  | ReturnType<typeof dropFrame>
  | ReturnType<typeof aliveFrame>;

const FRAMES: Readonly<Record<LeaseFrame['t'], Validator<CheckedLeaseFrame>>> = {
  take: takeFrame,
  drop: dropFrame,
  alive: aliveFrame,
};

/** What the header of a frame of a client is. */
export const LEASE_FRAME: JsonSchema = {
  title: 'LeaseFrame',
  anyOf: Object.values(FRAMES).map(({ schema }) => schema),
};

const kindOfFrame = oneOf('take', 'drop', 'alive');

/** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME */
export function leaseFrame(header: Readonly<Record<string, unknown>>): CheckedLeaseFrame {
  return FRAMES[kindOfFrame(header['t'], 't')](header, '');
}
