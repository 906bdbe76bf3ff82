import { UmbraError } from '../../src/common/errors.js';
import { XdrWriter, type XdrReader } from './xdr.js';

/** A domain as libvirt names it in calls. */
export interface Domain {
  readonly name: string;
  /** 16 bytes. */
  readonly uuid: Buffer;
  /** -1 while it is off. */
  readonly id: number;
}

const UUID_BYTES = 16;

/** A UUID as people write it. */
export function uuidText(uuid: Buffer): string {
  return uuid.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** @param uuid - as text, with or without dashes. @throws {UmbraError} BAD_ARGUMENT */
export function uuidBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (bytes.length !== UUID_BYTES) throw new UmbraError('BAD_ARGUMENT', `"${uuid}" is no UUID`);
  return bytes;
}

/** The arguments of a call that is about a domain begin so. */
export function ofDomain({ name, uuid, id }: Domain, args = new XdrWriter()): XdrWriter {
  return args.string(name).opaque(uuid).int(id);
}

/** The arguments of a call that is about a checkpoint begin so. */
export function ofCheckpoint({ name, uuid, id }: Domain, checkpoint: string): XdrWriter {
  return new XdrWriter().string(checkpoint).string(name).opaque(uuid).int(id);
}

export function readDomain(answer: XdrReader): Domain {
  return { name: answer.string(), uuid: Buffer.from(answer.opaque(UUID_BYTES)), id: answer.int() };
}
