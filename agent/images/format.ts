import { extname } from 'node:path';
import { UmbraError } from '../../src/common/errors.js';
import type { ImageFormat } from '../../src/protocol/api.js';
import { CONTAINER_EXTENSIONS, PACKED_EXTENSIONS, type Magic } from './magic.js';

/** What {@link decideFormat} looks at. */
export interface FormatEvidence {
  readonly path: string;
  readonly isDevice: boolean;
  /** What the content looks like. */
  readonly magic: Magic | undefined;
}

/**
 * The format of an image whose user named none.
 *
 * A guest can write anything to its disk. If a raw image were taken for qcow2 because it begins like
 * one, the guest could name any file of the host as the backing file and read it in its next
 * backup. So a magic counts only together with the file's extension, which the guest can't write.
 * @throws {UmbraError} IMAGE_FORMAT when content and extension disagree, or nothing here reads it
 */
export function decideFormat(evidence: FormatEvidence): ImageFormat {
  const extension = evidence.isDevice ? '' : extname(evidence.path).toLowerCase();
  const { magic } = evidence;
  const expected = CONTAINER_EXTENSIONS.get(extension);
  if (expected !== undefined) return confirm(evidence.path, extension, expected, magic);
  if (PACKED_EXTENSIONS.has(extension) && magic?.kind === 'packed') throw packed(evidence.path, magic);
  if (magic === undefined || magic.kind === 'packed') return 'raw';
  throw ambiguous(evidence, magic);
}

/** The extension names a container: the content must be one of the same format. */
function confirm(path: string, extension: string, expected: string, magic: Magic | undefined): ImageFormat {
  if (magic?.kind === 'image' && magic.format === expected) return magic.format;
  if (magic?.kind === 'packed') throw packed(path, magic);
  if (magic?.kind === 'foreign') throw foreign(path, magic);
  const content = magic === undefined ? `has no ${expected} header` : `holds a ${magic.format} image`;
  const formats = magic === undefined ? '--format raw' : `--format ${magic.format}`;
  throw new UmbraError('IMAGE_FORMAT', `${path} is named ${extension} but ${content}`, {
    hint: `If that is right, say ${formats}.`,
  });
}

function ambiguous({ path, isDevice }: FormatEvidence, magic: Magic): UmbraError {
  const shown = magic.kind === 'image' ? magic.format : magic.name;
  const other = magic.kind === 'image' ? `, or --format ${magic.format} if it is a ${magic.format} image` : '';
  const reason = isDevice ? 'is a block device' : 'is not named like one';
  return new UmbraError('IMAGE_FORMAT', `${path} begins or ends like a ${shown} image but ${reason}`, {
    hint: `A guest could have written that. Say --format raw if the file is the disk itself${other}.`,
  });
}

function packed(path: string, { name }: Magic): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `${path} is packed (${name})`, {
    hint: 'Unpack it first and back up the image inside; or say --format raw to protect the file as it is.',
  });
}

function foreign(path: string, { name }: Magic): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `${path} is a ${name} image, which is not supported`, {
    hint: `Convert it with "qemu-img convert -O qcow2".`,
  });
}
