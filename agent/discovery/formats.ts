import type { ImageFormat } from '../../src/protocol/api.js';

const FORMATS: readonly ImageFormat[] = ['raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc'];

/** The format that QEMU calls by this name; undefined for those that are not read. */
export function imageFormat(name: string): ImageFormat | undefined {
  return FORMATS.find((format) => format === name);
}
