import { UmbraError } from '../common/errors.js';
import type { EndFrame } from '../protocol/ingest.js';
import type { ConfigFile } from '../store/records.js';

/** The configuration files that the last frame of an upload brings. @throws {UmbraError} BAD_ARGUMENT */
export function configFiles({ config }: EndFrame, body: Buffer): ConfigFile[] {
  let at = 0;
  const files = config.map(({ name, bytes }) => {
    if (name.includes('/') || name === '.' || name === '..') throw wrong(`"${name}" is no name of a file`);
    const data = body.subarray(at, at + bytes);
    at += bytes;
    return { name, data };
  });
  if (at !== body.length) throw wrong(`${body.length} bytes came for configuration files of ${at}`);
  if (new Set(files.map(({ name }) => name)).size !== files.length)
    throw wrong('two configuration files have one name');
  return files;
}

function wrong(what: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', what);
}
