import type { Channel } from '../alerts/channel.js';
import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type { MountRequest } from '../protocol/server-api.js';
import type { AskSecret } from '../store/unlock.js';
import type { CreateStoreOptions, OpenEngine, OpenEngineOptions } from './engine.js';
import type { ListenOptions } from './listen-options.js';
import type { OpenMounts } from './mount-table.js';

export interface StoreServerOptions {
  /** Absolute path of the store's directory. */
  readonly store: string;
  readonly create?: CreateStoreOptions;
  /** With how little room a warning comes, and nothing is taken in any more. */
  readonly space?: OpenEngineOptions['space'];
  /** End when nothing happened and nothing was mounted for so long; never without it. */
  readonly idleExitMs?: number;
  /** Answer at an HTTPS port, too. */
  readonly listen?: ListenOptions;
  /** Show all shadow copies here as long as it runs. */
  readonly mount?: Pick<MountRequest, 'mountPoint' | 'allowOther'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly openEngine: OpenEngine;
  readonly openMounts: OpenMounts;
  /** True if a command started it, which whoever wants to serve the store himself need not know of. */
  readonly background?: boolean;
  /** Do what policies say, by itself. */
  readonly schedule?: boolean;
  /** Who is told of alerts. */
  readonly channels?: readonly Channel[];
  /** Watch what is damaged, and read everything once in so many days by itself; 0 only to watch. */
  readonly scrubDays?: number;
  /** Called when the store's lock is taken, before listening. */
  readonly onLocked?: () => void;
  /** What opens the store, if it is encrypted. */
  readonly ask?: AskSecret;
}
