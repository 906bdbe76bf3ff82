import { UmbraError } from '../common/errors.js';
import { printable } from '../common/printable.js';
import { OWNER_ONLY } from './caller.js';
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
    params: params.listFilesParams,
    claim: () => ({ kind: 'files' }),
    what: fileOf,
    run: async ({ engine }, request, context) => await (await engine.files()).list(request, context),
  }),
  operation({
    method: 'GET',
    route: '/v1/files/content',
    answer: 'bytes',
    params: params.readFileParams,
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
    permission: OWNER_ONLY,
    params: params.copyFilesParams,
    claim: () => ({ kind: 'copy' }),
    what: (request) => `${fileOf(request)} to ${request.to}`,
    run: async ({ engine }, request, context) => await (await engine.files()).copy(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/files/history',
    answer: 'stream',
    params: params.fileHistoryParams,
    claim: () => ({ kind: 'files' }),
    what: fileOf,
    run: async ({ engine }, request, context) => await (await engine.files()).history(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/files/find',
    answer: 'stream',
    params: params.findFilesParams,
    claim: () => ({ kind: 'files' }),
    what: (request) => `${request.glob} in ${named(request)}`,
    run: async ({ engine }, request, context) => await (await engine.files()).find(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/files/diff',
    answer: 'stream',
    params: params.diffFilesParams,
    claim: () => ({ kind: 'files' }),
    what: (request) => `files of ${request.machine}@${request.from} and ${request.toMachine}@${request.to}`,
    run: async ({ engine }, request, context) => await (await engine.files()).diff(request, context),
  }),
];
