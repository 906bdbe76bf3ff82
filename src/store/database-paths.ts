import path from 'node:path';

/** Where the two databases of a store lie. */
export function databasePaths(directory: string): { readonly objects: string; readonly meta: string } {
  return { objects: path.join(directory, 'objects'), meta: path.join(directory, 'meta') };
}
