import { messageOf } from '../../src/common/errors.js';
import { describeFiles } from '../files/describe.js';
import type { FileNode } from '../node.js';
import { BytesFile } from './bytes-file.js';
import { VERSION_INDEX } from './inode-index.js';
import type { VersionContext } from './context.js';

/** `about.json`: what is known of a shadow copy, for people and programs; a look at it opens its file systems. */
export function aboutFile(context: VersionContext): FileNode {
  return new BytesFile({
    context,
    ino: context.ino(VERSION_INDEX.about),
    permissions: 0o444,
    mtimeMs: context.summary.timeMs,
    load: async () => {
      const { about } = await context.view();
      return Buffer.from(`${JSON.stringify({ ...about, ...(await filesystems(context)) }, null, 2)}\n`);
    },
  });
}

/** What is known of the shadow copy itself is shown even when its volumes can't be read. */
async function filesystems(context: VersionContext): Promise<Readonly<Record<string, unknown>>> {
  try {
    return { filesystems: await describeFiles(await context.openFiles()) };
  } catch (error) {
    return { filesystems: [], problems: [`the volumes cannot be searched for file systems: ${messageOf(error)}`] };
  }
}
