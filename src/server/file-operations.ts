import { UmbraError } from '../common/errors.js';
import { printable } from '../common/printable.js';
import { OWNER_ONLY } from './caller.js';
import { anything } from '../common/shapes.js';
import * as answers from './answers/file-answers.js';
import * as params from './file-params.js';
import { named, operation, type Operation } from './operation.js';

function fileOf(request: { readonly machine: string; readonly version?: string; readonly path?: string }): string {
  return `${named(request)}:${printable(request.path ?? '/')}`;
}

/** The operations on files inside volumes. */
export const FILE_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'POST',
    route: '/v1/files/list',
    answer: 'stream',
    summary: 'The file systems of a shadow copy, or what is in one of its directories',
    params: params.listFilesParams,
    result: answers.listFiles,
    items: answers.listedFile,
    claim: () => ({ kind: 'files' }),
    what: fileOf,
    run: async ({ engine }, request, context) => await (await engine.files()).list(request, context),
  }),
  operation({
    method: 'GET',
    route: '/v1/files/content',
    answer: 'bytes',
    summary: 'The content of a file',
    params: params.readFileParams,
    result: anything,
    claim: () => ({ kind: 'files' }),
    what: fileOf,
    run: async ({ engine }, request, { bytes, signal, progress }) => {
      if (bytes === undefined) throw new UmbraError('INTERNAL', 'bytes have nowhere to go');
      const content = await (await engine.files()).read(request, { signal, progress });
      try {
        bytes.begin(content);
        for await (const piece of content.pieces()) await bytes.write(piece);
      } finally {
        await content.close();
      }
      return undefined;
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/files/copy',
    answer: 'stream',
    summary: 'Copy files and directories out of a shadow copy',
    details: "They are written on the server's machine.",
    permission: OWNER_ONLY,
    params: params.copyFilesParams,
    result: answers.copyFiles,
    claim: () => ({ kind: 'copy' }),
    what: (request) => `${fileOf(request)} to ${request.to}`,
    run: async ({ engine }, request, context) => await (await engine.files()).copy(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/files/history',
    answer: 'stream',
    summary: 'The versions of a file, over all shadow copies',
    params: params.fileHistoryParams,
    result: answers.fileHistory,
    claim: () => ({ kind: 'files' }),
    what: fileOf,
    run: async ({ engine }, request, context) => await (await engine.files()).history(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/files/find',
    answer: 'stream',
    summary: 'Find files by their path',
    params: params.findFilesParams,
    result: answers.findFiles,
    items: answers.foundFile,
    claim: () => ({ kind: 'files' }),
    what: (request) => `${request.glob} in ${named(request)}`,
    run: async ({ engine }, request, context) => await (await engine.files()).find(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/files/diff',
    answer: 'stream',
    summary: 'Which files differ between two shadow copies',
    params: params.diffFilesParams,
    result: answers.diffFiles,
    items: answers.fileDifference,
    claim: () => ({ kind: 'files' }),
    what: (request) => `files of ${request.machine}@${request.from} and ${request.toMachine}@${request.to}`,
    run: async ({ engine }, request, context) => await (await engine.files()).diff(request, context),
  }),
];
