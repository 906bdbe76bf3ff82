import { requests } from '../../client/requests.js';
import { parseMachineVersion } from '../../common/names.js';
import type { VerifyRequest, VerifyResult } from '../../protocol/api.js';
import { word, type Command } from '../command.js';
import { formatBytes, formatSeconds, plural } from '../format.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '[MACHINE]',
  synopsis: '[MACHINE[@VERSION]]',
  description: `Read everything in the store, or what one machine or shadow copy needs, decode it and compare it with its digests.
Damage is listed by volume and range, with what heals it. The exit code is 5 when there is damage.`,
  examples: [
    ['umbra verify', 'the whole store'],
    ['umbra verify web1@latest', 'one shadow copy'],
  ],
  next: 'Next: after damage, back up the machines that are named with --reread, and verify again.',
  positionals: { MACHINE: word('Only this machine or shadow copy') },
  options: {},
  run: async (args, session) => {
    const result = await session.run(requests.verify(what(args.optionalText('MACHINE'))));
    session.answer(result, () => describe(result));
    return result.damagedObjects.length > 0 || result.damaged.length > 0 ? 'DAMAGED' : 'OK';
  },
};

/** A machine alone means all of its shadow copies. */
function what(text: string | undefined): VerifyRequest {
  if (text === undefined) return {};
  const { machine, version } = parseMachineVersion(text);
  return text.includes('@') ? { machine, version } : { machine };
}

function describe({ checkedObjects, checkedBytes, damagedObjects, damaged, advice, seconds }: VerifyResult): string {
  const checked = `${plural(checkedObjects, 'object')} (${formatBytes(checkedBytes)}) checked in ${formatSeconds(seconds)}`;
  if (damagedObjects.length === 0 && damaged.length === 0) return `${checked}: all good\n`;
  const columns = [
    { title: 'SHADOW COPY' },
    { title: 'VOLUME' },
    { title: 'OFFSET', right: true },
    { title: 'LENGTH', right: true },
    { title: 'DAMAGED OBJECT' },
  ];
  const rows = damaged.map(({ machine, shadowCopy, volume, offset, length, kind, object }) => [
    `${machine}@${shadowCopy}`,
    volume,
    String(offset),
    String(length),
    `${kind} ${object}`,
  ]);
  return [
    `${checked}: ${plural(damagedObjects.length, 'object is', 'objects are')} damaged\n`,
    ...damagedObjects.map(({ kind, object, reason }) => `  ${kind} ${object}: ${reason}\n`),
    ...(rows.length === 0 ? [] : [formatTable(columns, rows)]),
    ...(advice === undefined ? [] : [`${advice}\n`]),
  ].join('');
}
