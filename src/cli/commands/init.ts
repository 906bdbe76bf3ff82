import type { CreateStore } from '../../client/start-server.js';
import { CIPHERS } from '../../codec/aead.js';
import { UmbraError } from '../../common/errors.js';
import type { Secret } from '../../keys/secret.js';
import type { Args } from '../args.js';
import { flagOption, textOption, type Command } from '../command.js';
import { KEY_OPTIONS } from '../key-flags.js';
import { newSecret, sourceAround, sourceOfArgs } from '../key-options.js';
import type { Session } from '../session.js';

const CODECS = ['zstd', 'lz4'] as const;
const FORMATS = ['1', '2'] as const;
const MAX_LEVEL = 19;

export const command: Command = {
  usage: '',
  synopsis:
    '[--codec zstd|lz4] [--level N] [--seed HEX] [--format 1|2] [--encrypt [--cipher CIPHER] [--key-file FILE|--passphrase-file FILE|--key-command COMMAND]]',
  description: `Make an empty store. "umbra backup" does it too, with the defaults; "init" is for choosing how the store
compresses and cuts, and whether it is encrypted, which can't be changed later. With --encrypt nobody who has its disk can read it, or tell
which files are in it, without a key: one from a file, from a passphrase (asked for, if nothing else is given), or what a command prints.
Without any of its keys the store is lost: keep one where the disk is not. "umbra key" adds others and changes them.`,
  examples: [
    ['umbra init --store /srv/umbra', 'with the defaults'],
    ['umbra init --store /srv/umbra --codec lz4', 'faster, but larger'],
    ['umbra init --store /srv/umbra --encrypt', 'encrypted; a passphrase is asked for'],
    ['umbra init --store /srv/umbra --encrypt --key-file /etc/umbra/key', 'with a key made by "openssl rand -hex 32"'],
    [
      'umbra init --store /srv/copy --seed 0123456789abcdef',
      'cut like the store with this seed, to be synchronised with it; give the --format that "umbra stats" shows of it, too',
    ],
  ],
  next: 'Next: "umbra backup MACHINE IMAGE" makes the first shadow copy.',
  positionals: {},
  options: {
    codec: { ...textOption('How chunks are compressed; zstd without it'), choices: CODECS },
    level: textOption(`The level of compression, 1 to ${MAX_LEVEL}; 1 without it`),
    encrypt: flagOption('Encrypt everything in it'),
    cipher: { ...textOption('How it is encrypted; aes-256-gcm without it'), choices: CIPHERS },
    ...KEY_OPTIONS,
    seed: textOption('The seed for cutting, 16 hexadecimal digits; random without it'),
    format: {
      ...textOption(
        'The version of its format; 2 without it. 1 is cut as stores were that were made before, and read by older programs',
      ),
      choices: FORMATS,
    },
  },
  run: async (args, session) => {
    const create = createOptions(args);
    const { store } = session;
    const secret = create.cipher === undefined ? undefined : await secretFor(args, session);
    await session.client().startNew({ ...session.startOptions(create), secret });
    session.answer({ store }, () => `made the store ${store}\n`);
    return 'OK';
  },
};

function createOptions(args: Args): CreateStore {
  const codec = args.optionalChoice('codec', CODECS);
  const level = args.optionalInteger('level', 1, MAX_LEVEL);
  const seed = args.optionalText('seed');
  const format = args.optionalChoice('format', FORMATS);
  const cipher = cipherOf(args);
  if (seed !== undefined && !/^[0-9a-f]{16}$/i.test(seed)) {
    throw new UmbraError('BAD_ARGUMENT', '--seed must be 16 hexadecimal digits');
  }
  return {
    mode: 'must',
    ...(codec === undefined ? {} : { codec }),
    ...(level === undefined ? {} : { level }),
    ...(seed === undefined ? {} : { seed: seed.toLowerCase() }),
    ...(format === undefined ? {} : { format }),
    ...(cipher === undefined ? {} : { cipher }),
  };
}

function cipherOf(args: Args): CreateStore['cipher'] {
  const cipher = args.optionalChoice('cipher', CIPHERS);
  if (args.flag('encrypt')) return cipher ?? CIPHERS[0];
  const given = ['cipher', ...Object.keys(KEY_OPTIONS)].find((name) => args.optionalText(name) !== undefined);
  if (given === undefined) return undefined;
  throw new UmbraError('BAD_ARGUMENT', `--${given} is for a store that is encrypted: give --encrypt, too`);
}

/** What opens the new store: what the options say, else the environment, else what is typed. */
async function secretFor(args: Args, session: Session): Promise<Secret> {
  const source = sourceOfArgs(args) ?? sourceAround(args, session.environment);
  return await newSecret(source, session.environment);
}
