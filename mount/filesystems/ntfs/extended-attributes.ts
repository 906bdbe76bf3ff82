import { damaged, part } from './parse.js';

const ENTRY_BYTES = 8;

/**
 * The extended attributes of OS/2 that `$EA` holds, by name. WSL keeps the owner and mode of files in them.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseExtendedAttributes(bytes: Buffer): Map<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  for (let at = 0; at + ENTRY_BYTES <= bytes.length;) {
    const next = bytes.readUInt32LE(at);
    const nameLength = bytes.readUInt8(at + 5);
    const valueLength = bytes.readUInt16LE(at + 6);
    const entry = part(bytes, at, ENTRY_BYTES + nameLength + 1 + valueLength, 'an extended attribute');
    const name = entry.toString('latin1', ENTRY_BYTES, ENTRY_BYTES + nameLength);
    attributes.set(name, entry.subarray(ENTRY_BYTES + nameLength + 1));
    if (next === 0) break;
    if (next < ENTRY_BYTES) throw damaged('a list of extended attributes makes no sense');
    at += next;
  }
  return attributes;
}

/** What WSL says of a file: what is not there is undefined. */
export interface WslAttributes {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly mode: number | undefined;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
}

/** The attributes `$LXUID`, `$LXGID`, `$LXMOD` and `$LXDEV`. */
export function wslAttributes(attributes: ReadonlyMap<string, Buffer>): WslAttributes {
  const device = attributes.get('$LXDEV');
  return {
    uid: number32(attributes.get('$LXUID')),
    gid: number32(attributes.get('$LXGID')),
    mode: number32(attributes.get('$LXMOD')),
    device: device?.length === 8 ? { major: device.readUInt32LE(0), minor: device.readUInt32LE(4) } : undefined,
  };
}

function number32(value: Buffer | undefined): number | undefined {
  return value?.length === 4 ? value.readUInt32LE(0) : undefined;
}
