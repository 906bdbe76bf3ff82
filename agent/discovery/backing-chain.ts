import { dirname, resolve } from 'node:path';
import type { ImageFormat } from '../../src/protocol/api.js';
import { qemuInfo } from '../images/qemu-info.js';
import type { DomainDisk } from './domain-xml.js';
import { imageFormat } from './formats.js';

const MAX_LAYERS = 256;

/**
 * The files behind an image, the nearest first, as its header says. Backing files are not opened to learn what they are: only a
 * recorded format counts, and the chain ends at a name that is not a local file's, or that can't be looked at.
 * @param path - absolute
 */
export async function backingChain(path: string, format: ImageFormat): Promise<readonly string[]> {
  const chain: string[] = [];
  let layer: { readonly path: string; readonly format: ImageFormat } | undefined = { path, format };
  while (layer !== undefined && layer.format !== 'raw' && chain.length < MAX_LAYERS) {
    const backing: { readonly path: string; readonly format: string | undefined } | undefined = (
      await qemuInfo(layer.path, layer.format).catch(() => undefined)
    )?.backing;
    // A colon in the first component is a protocol of QEMU's.
    if (backing === undefined || /^[^/]*:/.test(backing.path)) break;
    const behind = resolve(dirname(layer.path), backing.path);
    if (behind === path || chain.includes(behind)) break;
    chain.push(behind);
    const behindFormat = imageFormat(backing.format ?? '');
    layer = behindFormat === undefined ? undefined : { path: behind, format: behindFormat };
  }
  return chain;
}

/** All that is behind a disk: what its domain's XML says, and from where that ends without a word, what headers do, as libvirt goes by. */
export async function allBehind({ backing, last }: Pick<DomainDisk, 'backing' | 'last'>): Promise<readonly string[]> {
  return last === undefined ? backing : [...backing, ...(await backingChain(last.path, last.format))];
}
