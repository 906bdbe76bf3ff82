import type { ImageFile } from './image-file.js';
import { HEAD_BYTES, magicOf, TAIL_BYTES, type Magic } from './magic.js';

/**
 * What the content of a file looks like.
 * @throws {UmbraError} IMAGE_FAILED
 */
export async function contentMagic(file: ImageFile): Promise<Magic | undefined> {
  const head = Buffer.alloc(Math.min(HEAD_BYTES, file.sizeBytes));
  const tail = Buffer.alloc(Math.min(TAIL_BYTES, file.sizeBytes));
  await file.read(head, 0);
  await file.read(tail, file.sizeBytes - tail.length);
  return magicOf(head, tail);
}
