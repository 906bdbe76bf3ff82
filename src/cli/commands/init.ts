import type { CreateStore } from '../../client/start-server.js';
import { UmbraError } from '../../common/errors.js';
import type { Args } from '../args.js';
import { textOption, type Command } from '../command.js';

const CODECS = ['zstd', 'lz4'] as const;
const MAX_LEVEL = 19;

export const command: Command = {
  usage: '',
  synopsis: '[--codec zstd|lz4] [--level N] [--seed HEX]',
  description: `Make an empty store. "umbra backup" does it too, with the defaults; "init" is for choosing how the store
compresses and cuts, which can't be changed later.`,
  examples: [
    ['umbra init --store /srv/umbra', 'with the defaults'],
    ['umbra init --store /srv/umbra --codec lz4', 'faster, but larger'],
    [
      'umbra init --store /srv/copy --seed 0123456789abcdef',
      'cut like the store with this seed, to be synchronised with it',
    ],
  ],
  next: 'Next: "umbra backup MACHINE IMAGE" makes the first shadow copy.',
  positionals: {},
  options: {
    codec: { ...textOption('How chunks are compressed; zstd without it'), choices: CODECS },
    level: textOption(`The level of compression, 1 to ${MAX_LEVEL}; 1 without it`),
    seed: textOption('The seed for cutting, 16 hexadecimal digits; random without it'),
  },
  run: async (args, session) => {
    const create = createOptions(args);
    const { store } = session;
    await session.client().startNew(session.startOptions(create));
    session.answer({ store }, () => `made the store ${store}\n`);
    return 'OK';
  },
};

function createOptions(args: Args): CreateStore {
  const codec = args.optionalChoice('codec', CODECS);
  const level = args.optionalInteger('level', 1, MAX_LEVEL);
  const seed = args.optionalText('seed');
  if (seed !== undefined && !/^[0-9a-f]{16}$/i.test(seed)) {
    throw new UmbraError('BAD_ARGUMENT', '--seed must be 16 hexadecimal digits');
  }
  return {
    mode: 'must',
    ...(codec === undefined ? {} : { codec }),
    ...(level === undefined ? {} : { level }),
    ...(seed === undefined ? {} : { seed: seed.toLowerCase() }),
  };
}
