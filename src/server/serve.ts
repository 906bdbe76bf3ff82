import type { Channel } from '../alerts/channel.js';
import { systemClock } from '../common/clock.js';
import { messageOf, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import { parseHostAndPort } from '../protocol/server-address.js';
import { chooseSource, readSource, type KeySource } from '../keys/key-source.js';
import type { ChosenLimits } from '../store/space.js';
import type { ServerConfig } from './config-file.js';
import type { CreateStoreOptions } from './engine.js';
import { logFrom, stderrLog } from '../system/line-log.js';
import type { ServerParts } from './server-parts.js';
import { StoreServer, type StoreServerOptions } from './store-server.js';
import { tuneProcess } from './tune-process.js';

export interface RunOptions {
  readonly store: string;
  readonly create?: CreateStoreOptions;
  readonly idleExitMs?: number;
  readonly space?: NonNullable<StoreServerOptions['space']>;
  readonly listen?: NonNullable<StoreServerOptions['listen']>;
  readonly mount?: NonNullable<StoreServerOptions['mount']>;
  readonly log: Log;
  readonly parts: ServerParts;
  readonly background?: boolean;
  readonly schedule?: boolean;
  readonly channels?: readonly Channel[];
  readonly scrubDays?: number;
  readonly onLocked?: () => void;
  /** What opens the store, if it is encrypted. */
  readonly ask?: NonNullable<StoreServerOptions['ask']>;
  /** Called when the server answers. */
  readonly onReady: () => void;
}

/** Everything is read once in so many days, unless somebody says something else. */
const USUAL_SCRUB_DAYS = 30;

/** After a defect the process may be in any state: it gets so long to unmount and close. */
const CRASH_LIMIT_MS = 5_000;

/**
 * Be the server of a store until a signal, `umbra stop` or idleness ends it. What the process
 * makes (store, log, restored images) is its user's alone, and it stands in no directory that someone may want to unmount.
 * @throws {UmbraError} when the server can't start; INTERNAL when a defect ended it
 */
export async function runServer(options: RunOptions): Promise<void> {
  const { parts, onReady, log, ...rest } = options;
  tuneProcess(systemClock);
  process.umask(0o077);
  process.chdir('/');
  const server = await StoreServer.start({ ...rest, ...parts, log, clock: systemClock });
  const stop = (signal: NodeJS.Signals): void => {
    log.info('signal', { signal });
    void server.stop();
  };
  let defect: unknown;
  const crash = (error: unknown): void => {
    defect ??= error;
    log.error('defect', { error: error instanceof Error ? (error.stack ?? error.message) : messageOf(error) });
    setTimeout(() => process.exit(1), CRASH_LIMIT_MS).unref();
    void server.stop();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  try {
    onReady();
    await server.ended;
    if (defect !== undefined)
      throw new UmbraError('INTERNAL', `the server ended: ${messageOf(defect)}`, { cause: defect });
  } finally {
    for (const signal of signals) process.removeListener(signal, stop);
    process.removeListener('uncaughtException', crash);
    process.removeListener('unhandledRejection', crash);
  }
}

export type { ServerParts } from './server-parts.js';

export interface ServeOptions extends Pick<RunOptions, 'store' | 'idleExitMs' | 'parts' | 'onReady'> {
  /** Absolute path of a configuration file; what is given here comes before what it says. */
  readonly config?: string;
  /** `ADDRESS:PORT` of the HTTPS port. */
  readonly listen?: string;
  /** Absolute path of a directory where all shadow copies are shown. */
  readonly mount?: string;
  readonly allowOther: boolean;
  /** What the command line says of the key of an encrypted store. */
  readonly key?: KeySource | undefined;
  /** The key, where neither it nor the configuration file says anything. */
  readonly ask?: NonNullable<StoreServerOptions['ask']>;
  /** Make no shadow copies by itself. */
  readonly paused: boolean;
  /** In so many days everything is read once; 0 for never. */
  readonly scrubDays?: number;
}

/**
 * Be the server of a store in the foreground, with the log on standard error.
 * @throws {UmbraError} BAD_ARGUMENT for what is wrong with the options or the configuration; as {@link runServer}
 */
export async function serveInForeground({
  config,
  listen,
  mount,
  allowOther,
  paused,
  key,
  ask,
  scrubDays,
  ...options
}: ServeOptions): Promise<void> {
  const read = config === undefined ? {} : (await import('./config-file.js')).readConfigFile(config);
  const source = key ?? (config === undefined ? undefined : chooseSource(read, config));
  const asking = source === undefined ? ask : () => readSource(source);
  const address = listen ?? read.listen;
  const mountPoint = mount ?? read.mount;
  await runServer({
    ...options,
    ...(asking === undefined ? {} : { ask: asking }),
    // One that ends when nobody asks for anything keeps no schedule.
    schedule: !paused && options.idleExitMs === undefined,
    ...(read.notify === undefined ? {} : { channels: read.notify }),
    ...(options.idleExitMs === undefined ? { scrubDays: scrubDays ?? read.scrubDays ?? USUAL_SCRUB_DAYS } : {}),
    log: logFrom(read.log ?? 'info', stderrLog(systemClock)),
    space: limitsOf(read),
    ...(address === undefined ? {} : { listen: { address: parseHostAndPort(address), names: read.names ?? [] } }),
    ...(mountPoint === undefined ? {} : { mount: { mountPoint, allowOther: allowOther || read.allowOther === true } }),
  });
}

function limitsOf({ warnBelow, stopBelow }: ServerConfig): ChosenLimits {
  return {
    ...(warnBelow === undefined ? {} : { warnBytes: warnBelow }),
    ...(stopBelow === undefined ? {} : { stopBytes: stopBelow }),
  };
}

/** What a server of a store on this machine is made of; loads it. */
export async function loadLocalParts(): Promise<ServerParts> {
  return (await import('./local-parts.js')).localParts;
}
