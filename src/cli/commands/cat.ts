import { requests } from '../../client/requests.js';
import type { ByteStream } from '../../client/byte-stream.js';
import { word, type Command } from '../command.js';
import type { ByteOutput } from '../environment.js';
import { parseFile, type FileReference } from '../file-reference.js';

/** What base64 makes whole groups of. */
const GROUP_BYTES = 3;

export const command: Command = {
  usage: '<FILE>',
  synopsis: 'MACHINE[@VERSION]:PATH',
  description: `Print a file inside a volume of a shadow copy, byte by byte. Symbolic links are followed inside their file system. With
--json the bytes are in "base64".`,
  examples: [
    ['umbra cat web1:/vda1/etc/fstab', 'as it was last'],
    ['umbra cat web1@2026-11-22T10-15-00Z:/vda1/etc/fstab | diff - fstab', 'compare it with another one'],
    ['umbra cat db:/vda1/var/backups/dump.sql.gz | zcat | psql', 'nothing is stored on the way'],
  ],
  next: 'Next: "umbra cp" copies files with their owners, modes and times.',
  positionals: { FILE: word('The machine, a shadow copy of it or "latest", and a path') },
  options: {},
  run: async (args, session) => {
    const file = parseFile(args.text('FILE'));
    const stream = await session.client(session.startOptions()).bytes(requests.readFile(file));
    const { stdout } = session.environment;
    if (session.json) await printJson(stream, file, stdout);
    else for await (const piece of stream.pieces) await stdout.writeBytes(piece);
    return 'OK';
  },
};

async function printJson(
  { pieces, shadowCopy, sizeBytes }: ByteStream,
  { machine, path }: FileReference,
  stdout: ByteOutput,
): Promise<void> {
  const known = JSON.stringify({ machine, shadowCopy, path, sizeBytes });
  let rest = Buffer.alloc(0);
  let isFirst = true;
  for await (const piece of pieces) {
    const bytes = Buffer.concat([rest, piece]);
    const whole = bytes.length - (bytes.length % GROUP_BYTES);
    const beginning = isFirst ? `${known.slice(0, -1)},"base64":"` : '';
    isFirst = false;
    await stdout.writeBytes(Buffer.from(beginning + bytes.toString('base64', 0, whole)));
    rest = bytes.subarray(whole);
  }
  const beginning = isFirst ? `${known.slice(0, -1)},"base64":"` : '';
  stdout.write(`${beginning}${rest.toString('base64')}"}\n`);
}
