import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { toWireSecret, type WireSecret } from '../../keys/wire-secret.js';
import type { KeyInfo } from '../../protocol/keys-api.js';
import type { Args } from '../args.js';
import { textOption, word, type Command } from '../command.js';
import { formatTime } from '../format.js';
import { KEY_OPTIONS } from '../key-flags.js';
import { newSecret, sourceOfArgs } from '../key-options.js';
import type { Session } from '../session.js';
import { formatTable } from '../table.js';

const ACTIONS = ['show', 'add', 'change', 'remove'] as const;

export const command: Command = {
  usage: '<ACTION> [ID]',
  synopsis:
    'show | add [KEY] [--label TEXT] | change [ID] [KEY] [--label TEXT] | remove ID   (KEY: --key-file FILE, --passphrase-file FILE or --key-command COMMAND)',
  description: `Say who can open an encrypted store. A store has one master key, made at random, which never changes; each of up to 16 keys opens
it: key files, passphrases, what a command prints. "add" lets another one in, "change" puts a new one in the place of the one with ID (that
which the store was opened with, without ID), "remove" takes one away. Nothing is encrypted again: it takes a second, and the old keys hold or
the new ones, whenever the power goes. Without --key-file, --passphrase-file or --key-command a new passphrase is asked for.
Whoever had an old key and a copy of the store's files of that time can still read what he had: a store whose key was stolen together with
its disk has to be made anew.`,
  examples: [
    ['umbra key show', 'who can open the store'],
    ['umbra key add --passphrase-file /root/recovery --label "in the safe"', 'a second way in'],
    ['umbra key change --key-file /etc/umbra/new.key', 'another key file in the place of the one in use'],
    ['umbra key remove 1f0c92ab', 'somebody has left'],
  ],
  next: 'Next: "umbra key show"; keep a copy of the file "keys" of the store beside its key, and none of them on its disk.',
  positionals: { ACTION: word('show, add, change or remove'), ID: word('The id of a key, as "show" has it') },
  options: { ...KEY_OPTIONS, label: textOption('add, change: what the key is called, for people') },
  run: async (args, session) => {
    args.text('ACTION');
    switch (args.optionalChoice('ACTION', ACTIONS)) {
      case 'add':
        return await add(args, session);
      case 'change':
        return await change(args, session);
      case 'remove':
        return await remove(args, session);
      default:
        return await show(args, session);
    }
  },
};

async function show(args: Args, session: Session): Promise<'OK'> {
  refuseKey(args, 'show');
  refuseId(args, 'show');
  const result = await session.call(requests.keys());
  session.answer(result, () => {
    const rows = result.keys.map(({ id, kind, label = '', createdMs, isUsed }) => [
      id,
      kind === 'key' ? 'key file' : kind,
      createdMs === undefined ? '' : formatTime(new Date(createdMs).toISOString()),
      isUsed ? 'now' : '',
      label,
    ]);
    const titles = [{ title: 'ID' }, { title: 'KIND' }, { title: 'MADE' }, { title: 'USED' }, { title: 'LABEL' }];
    return `encrypted with ${result.cipher}; cutting seed ${result.seed}\n${formatTable(titles, rows)}`;
  });
  return 'OK';
}

async function add(args: Args, session: Session): Promise<'OK'> {
  refuseId(args, 'add');
  const key = await session.call(requests.addKey(await newKey(args, session)));
  session.answer(key, () => `${describe(key)} opens the store, too\n`);
  return 'OK';
}

async function change(args: Args, session: Session): Promise<'OK'> {
  const id = args.optionalText('ID');
  const request = { ...(await newKey(args, session)), ...(id === undefined ? {} : { id }) };
  const key = await session.call(requests.changeKey(request));
  session.answer(key, () => `${describe(key)} opens the store in the place of ${id ?? 'the one it was opened with'}\n`);
  return 'OK';
}

async function remove(args: Args, session: Session): Promise<'OK'> {
  refuseKey(args, 'remove');
  const id = args.text('ID');
  const result = await session.call(requests.removeKey({ id }));
  session.answer(result, () => `${id} no longer opens the store\n`);
  return 'OK';
}

/** What is asked for is asked for once the store is known to be encrypted. */
async function newKey(args: Args, session: Session): Promise<WireSecret & { readonly label?: string }> {
  const source = sourceOfArgs(args);
  await session.call(requests.keys());
  const label = args.optionalText('label');
  const secret = toWireSecret(await newSecret(source, session.environment));
  return { ...secret, ...(label === undefined ? {} : { label }) };
}

function describe({ id, kind }: KeyInfo): string {
  return `the ${kind === 'key' ? 'key file' : kind} ${id}`;
}

function refuseId(args: Args, action: string): void {
  if (args.optionalText('ID') !== undefined) throw new UmbraError('BAD_ARGUMENT', `"${action}" takes no id`);
}

function refuseKey(args: Args, action: string): void {
  const given = [...Object.keys(KEY_OPTIONS), 'label'].find((name) => args.optionalText(name) !== undefined);
  if (given === undefined) return;
  throw new UmbraError('BAD_ARGUMENT', `--${given} is for "add" and "change", not for "${action}"`, {
    hint:
      'Leave it out. A server that runs has the key; else $UMBRA_KEY_FILE, $UMBRA_PASSPHRASE_FILE or $UMBRA_KEY_COMMAND opens the store, or ' +
      'a passphrase that is asked for.',
  });
}
