import type { ImageFormat } from '../../src/protocol/api.js';

/** A file, and what QEMU is to take it for. */
export interface NodeFile {
  /** Absolute. */
  readonly path: string;
  readonly format: ImageFormat;
}

/**
 * What QEMU opens as one image, in its own notation: these files, each on the next, and nothing below the last one, whatever
 * their headers name.
 * @param files - the top first
 */
export function imageNode(files: readonly NodeFile[]): string {
  return `json:${JSON.stringify(nodeOf(files))}`;
}

function nodeOf([top, ...below]: readonly NodeFile[]): object | null {
  if (top === undefined) return null;
  const { path, format } = top;
  const node = { driver: format, file: { driver: 'file', filename: path } };
  return format === 'raw' ? node : { ...node, backing: nodeOf(below) };
}
