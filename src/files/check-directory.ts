import { UmbraError } from '../common/errors.js';
import { locateFile } from './file-location.js';
import { withVersion, type FilesContext } from './opened-version.js';

export interface CheckDirectoryRequest {
  readonly machine: string;
  /** Below `files/`: `vda1/srv/data`. */
  readonly path: string;
}

/**
 * See to it that a machine's newest shadow copy has a directory, at the end of a way without symbolic links: where those
 * lead to is not there in the network.
 * @throws {UmbraError} NOT_FOUND, with what may have been meant; FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function checkDirectory(context: FilesContext, { machine, path }: CheckDirectoryRequest): Promise<void> {
  const request = { machine, version: 'latest' };
  await withVersion(context, request, `a look at /${path}`, async ({ files, title }) => {
    const { stat } = await locateFile(files, path, { title, links: 'refuse' });
    if (stat.type !== 'directory') throw new UmbraError('NOT_FOUND', `/${path} of ${title} is not a directory`);
  });
}
