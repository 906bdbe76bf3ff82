import { DIGEST_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import { boolean, list, machine, object, oneOf, string, version, volume, type Validator } from '../common/params.js';
import { MOST_OBJECTS, type LeaseFrame } from '../protocol/objects-api.js';

/** The parameters of the routes at which shadow copies are read; unknown fields are refused. */

const MAX_HOLDER = 256;
/** More than any volume has. */
const MAX_REGION = 2 ** 40;

const digest: Validator<Uint8Array> = (value, field) => {
  const bytes = Buffer.from(string(value, field), 'hex');
  if (bytes.length === DIGEST_BYTES && bytes.toString('hex') === value) return bytes;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a digest: ${DIGEST_BYTES * 2} hex digits`);
};

const number: Validator<number> = (value, field) => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_REGION) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a whole number`);
};

const holder: Validator<string> = (value, field) => {
  const text = string(value, field);
  if (text.length <= MAX_HOLDER) return text;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must have at most ${MAX_HOLDER} characters`);
};

const place = object({ lease: number, volume, region: number });

export const shadowCopiesParams = object({}, { known: string });
export const recordParams = object({ machine, version, record: digest });
export const readObjectsParams = object(
  { session: string, kind: oneOf('inner', 'leaf', 'chunk'), digests: some(digest) },
  { places: some(place), checked: boolean },
);

const takeFrame = object({ t: oneOf('take'), lease: number, machine, shadowCopy: version, record: digest }, { holder });
const dropFrame = object({ t: oneOf('drop'), lease: number });
const aliveFrame = object({ t: oneOf('alive') });

/** What a client says on its connection for leases. */
export type CheckedLeaseFrame =
  ReturnType<typeof takeFrame> | ReturnType<typeof dropFrame> | ReturnType<typeof aliveFrame>;

const FRAMES: Readonly<Record<LeaseFrame['t'], Validator<CheckedLeaseFrame>>> = {
  take: takeFrame,
  drop: dropFrame,
  alive: aliveFrame,
};

const kindOfFrame = oneOf('take', 'drop', 'alive');

/** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME */
export function leaseFrame(header: Readonly<Record<string, unknown>>): CheckedLeaseFrame {
  return FRAMES[kindOfFrame(header['t'], 't')](header, '');
}

/** One item at least, and no more than a request may be about. */
function some<T>(item: Validator<T>): Validator<readonly T[]> {
  const any = list(item, 1);
  return (value, field) => {
    if (!Array.isArray(value) || value.length <= MOST_OBJECTS) return any(value, field);
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must have at most ${MOST_OBJECTS} items`);
  };
}
