import type { FileReader } from '../filesystem.js';
import { CompressedReader } from './compressed-reader.js';
import type { NtfsCore } from './core.js';
import { unreadable } from './parse.js';
import { PlainReader } from './plain-reader.js';
import type { Stream } from './stream.js';

/**
 * A reader of one stream of a file.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE when it is encrypted
 */
export function openStream(core: NtfsCore, stream: Stream): FileReader {
  if (stream.encrypted) {
    throw unreadable('the file is encrypted by Windows (EFS)', 'Restore the volume and open the file as its owner.');
  }
  return stream.compressed ? new CompressedReader(core, stream) : new PlainReader(core, stream);
}
