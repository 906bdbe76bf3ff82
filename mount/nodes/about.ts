import type { FileNode } from '../node.js';
import { BytesFile } from './bytes-file.js';
import { VERSION_INDEX } from './inode-index.js';
import type { VersionContext } from './version-context.js';

/** `about.json`: what is known of a shadow copy, for people and programs. */
export function aboutFile(context: VersionContext): FileNode {
  return new BytesFile({
    context,
    ino: context.ino(VERSION_INDEX.about),
    permissions: 0o444,
    mtimeMs: context.summary.timeMs,
    load: async () => {
      const { about } = await context.view();
      return Buffer.from(`${JSON.stringify(about, null, 2)}\n`);
    },
  });
}
