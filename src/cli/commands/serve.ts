import { setTimeout as sleep } from 'node:timers/promises';
import { isUmbraError } from '../../common/errors.js';
import type { Args } from '../args.js';
import { makeRoom } from '../../client/make-room.js';
import { readSource } from '../../keys/key-source.js';
import type { Secret } from '../../keys/secret.js';
import { KEY_OPTIONS } from '../key-flags.js';
import { passphraseAsker, sourceAround, sourceOfArgs } from '../key-options.js';
import { flagOption, textOption, type Command } from '../command.js';
import { DEFAULT_IDLE_SECONDS, MAX_IDLE_SECONDS, type Session } from '../session.js';

/** How often a store is asked for that is taken by somebody who does not answer. */
const TRIES = 20;
const PAUSE_MS = 25;

const MAX_SCRUB_DAYS = 3650;

export const command: Command = {
  usage: '',
  synopsis:
    '[--listen ADDRESS:PORT] [--mount DIR] [--paused] [--scrub-days DAYS] [--config FILE] [--idle-exit SECONDS] [--key-file FILE|--passphrase-file FILE|--key-command COMMAND]',
  description: `Run the server of a store in the foreground, until Ctrl-C, SIGTERM or "umbra stop". Every command that needs a server
starts one by itself, which ends after ${DEFAULT_IDLE_SECONDS} s with nothing to do and nothing mounted ($UMBRA_IDLE_SECONDS), and at once
for "serve" if it does nothing just then. "serve" is for service managers, for watching, and for everything that comes over the network: with --listen it answers at an HTTPS port, too, for
agents and for administrators who have a token ("umbra token add"). It makes the shadow copies of protected machines by itself, as
their policies say ("umbra jobs --next"), but with --paused or --idle-exit, and reads the whole store again
once in 30 days (--scrub-days; 0 for never) to find what its disk has damaged ("umbra scrub"). With --mount it shows all shadow copies as long as it runs.
--config names a file of YAML with listen, names (further names in its certificate), mount, allowOther, scrubDays, log (info, warn,
error), warnBelow and stopBelow (20GiB): with less room on the disk of the store it warns, and takes in nothing; notify (who is told of alerts),
keyFile, passphraseFile and keyCommand; what the command line says comes before it. It logs to standard error: on a terminal for people, else as JSON.
The key of an encrypted store is what --key-file, --passphrase-file or --key-command says, else the configuration, else $UMBRA_KEY_FILE,
$UMBRA_PASSPHRASE_FILE or $UMBRA_KEY_COMMAND; on a terminal the passphrase is asked for.`,
  examples: [
    ['umbra serve --store /srv/umbra', 'for a systemd unit'],
    ['umbra serve --store /srv/umbra --listen 0.0.0.0:7443 --mount /mnt/umbra', 'for a whole network'],
  ],
  next: 'Next: "umbra status" from another terminal shows what it does.',
  positionals: {},
  options: {
    listen: textOption('Answer over HTTPS at this address and port, too'),
    mount: textOption('Show all shadow copies in this empty directory'),
    'allow-other': flagOption('mount: let other users in, as far as owners and modes of the files allow'),
    paused: flagOption('Make no shadow copies by itself'),
    'scrub-days': textOption('Read everything once in so many days; 0 for never'),
    config: textOption('A file of YAML with the same and more'),
    ...KEY_OPTIONS,
    'idle-exit': textOption('End after so many seconds with nothing to do; never without it'),
  },
  run: async (args, session) => {
    const idleSeconds = args.optionalInteger('idle-exit', 0, MAX_IDLE_SECONDS);
    const scrubDays = args.optionalInteger('scrub-days', 0, MAX_SCRUB_DAYS);
    const listen = args.optionalText('listen');
    const mount = optionalPath(args, 'mount');
    const config = optionalPath(args, 'config');
    const ask = askForServe(args, session);
    const [{ serveInForeground }, parts] = await Promise.all([
      import('../../server/serve.js'),
      session.environment.serverParts(),
    ]);
    await onceFree(session, (onReady) =>
      serveInForeground({
        store: session.store,
        ...(listen === undefined ? {} : { listen }),
        ...(mount === undefined ? {} : { mount }),
        ...(config === undefined ? {} : { config }),
        allowOther: args.flag('allow-other'),
        paused: args.flag('paused'),
        key: sourceOfArgs(args),
        ask,
        ...(scrubDays === undefined ? {} : { scrubDays }),
        ...(idleSeconds === undefined ? {} : { idleExitMs: idleSeconds * 1000 }),
        parts,
        onReady: () => {
          onReady();
          session.answer({ store: session.store, pid: process.pid }, () => '');
        },
      }),
    );
    return 'OK';
  },
};

/** The key where neither options nor configuration say anything. It is found out once, however often the store is tried. */
function askForServe(args: Args, session: Session): () => Promise<Secret | undefined> {
  const { environment, store } = session;
  let known: Promise<Secret | undefined> | undefined;
  return () => {
    const source = sourceAround(args, environment);
    known ??= source === undefined ? passphraseAsker(environment, store)?.() : readSource(source);
    return known ?? Promise.resolve(undefined);
  };
}

/** Serve as soon as a server that a command started has made room, and whoever took the store just then has, too. */
async function onceFree(session: Session, serve: (onReady: () => void) => Promise<void>): Promise<void> {
  const outcome = { isReady: false };
  for (let tries = 1; !outcome.isReady; tries += 1) {
    await makeRoom(session.client());
    try {
      await serve(() => {
        outcome.isReady = true;
      });
    } catch (error) {
      // A command may have started a server, which does not listen yet.
      if (tries === TRIES || !isUmbraError(error, 'STORE_IN_USE')) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

function optionalPath(args: Args, name: string): string | undefined {
  return args.optionalText(name) === undefined ? undefined : args.path(name);
}
