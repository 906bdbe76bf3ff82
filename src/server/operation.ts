import type { FilesService } from '../../mount/files/files-service.js';
import type { Alerts } from '../alerts/alert.js';
import type { Clock } from '../common/clock.js';
import type { MountEnd } from '../protocol/wire.js';
import type { ByteSink } from './byte-answer.js';
import type { Alerting } from './alerting.js';
import { OPERATORS, type Caller, type Permission } from './caller.js';
import type { Claim } from './conflicts.js';
import type { Engine } from './engine.js';
import type { JobContext } from './job-context.js';
import type { MountTable } from './mount-table.js';
import type { PlannedWork } from './planned-work.js';
import type { Shape } from '../common/json-schema.js';
import type { Validator } from '../common/params.js';
import type { RouteDescription } from './route-description.js';
import type { SoundStore } from './sound-store.js';

/** What operations work with. */
export interface Services {
  readonly engine: Engine;
  readonly mounts: MountTable;
  /** The files inside shadow copies. */
  readonly files: FilesService;
  readonly clock: Clock;
  /** What keeps the store sound. */
  readonly upkeep: SoundStore;
  /** What the server does by itself. */
  readonly scheduling: PlannedWork;
  /** Whom what goes wrong is told to. */
  readonly alerts: Alerts;
  /** The alerts that there are, and who is told of them. */
  readonly alerting: Pick<Alerting, 'list' | 'test'>;
}

/** What an operation is given besides its request. */
export interface OperationContext extends JobContext {
  /** Who asks; he may. */
  readonly caller: Caller;
  /** Counts bytes of new chunks that came into the store. */
  readonly ingested: (bytes: number) => void;
  /** Takes a part of a result that may be long; resolves when there is room for more. */
  readonly emit: (items: readonly unknown[]) => Promise<void>;
  /** Where the answer goes of an operation that is answered with bytes. */
  readonly bytes?: ByteSink;
}

/** A request whose parameters were found good, ready to run. */
export interface Prepared {
  readonly claim: Claim;
  /** What it works on, for people. */
  readonly what: string;
  /** The result, as JSON. */
  readonly run: (services: Services, context: OperationContext) => Promise<unknown>;
  /** For a leased mount: after the result was sent, hold on until the mount has ended. */
  readonly hold?: (services: Services, signal: AbortSignal) => Promise<MountEnd>;
}

export interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly route: string;
  /** One JSON document, a stream of lines with progress, or the bytes of a file. */
  readonly answer: 'json' | 'stream' | 'bytes';
  readonly permission: Permission;
  readonly description: RouteDescription;
  /** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME naming the field */
  readonly prepare: (params: unknown) => Prepared;
}

interface Definition<P, R> {
  readonly method: Operation['method'];
  readonly route: string;
  readonly answer: Operation['answer'];
  /** What it does, in one line, and what else its caller has to know. */
  readonly summary: string;
  readonly details?: string;
  /** The owner and administrators without it. */
  readonly permission?: Permission;
  readonly params: Validator<P>;
  /** What it answers; of bytes it does not matter. */
  readonly result: Shape<R>;
  /** Parts of a result that may be long, as `emit` is given them. */
  readonly items?: Shape<unknown>;
  readonly claim: (params: NoInfer<P>) => Claim;
  readonly what: (params: NoInfer<P>) => string;
  readonly run: (services: Services, params: NoInfer<P>, context: OperationContext) => Promise<NoInfer<R>>;
}

/** An operation whose parameters are checked before anything is done. */
export function operation<P, R>(definition: Definition<P, R>): Operation {
  const { method, route, answer, permission = OPERATORS, params: validate, claim, what, run } = definition;
  return {
    method,
    route,
    answer,
    permission,
    description: describe(definition),
    prepare: (raw) => {
      const params = validate(raw, '');
      return {
        claim: claim(params),
        what: what(params),
        run: (services, context) => run(services, params, context),
      };
    },
  };
}

function describe<P, R>({ answer, summary, details, params, result, items }: Definition<P, R>): RouteDescription {
  const more = details === undefined ? {} : { details };
  if (answer === 'bytes') return { summary, ...more, params, answer: { as: answer } };
  const answered = answer === 'json' ? { as: answer, result } : { as: answer, result, ...(items && { items }) };
  return { summary, ...more, params, answer: answered };
}

/** `MACHINE@VERSION`, for people. */
export function named(params: { readonly machine?: string; readonly version?: string }): string {
  if (params.machine === undefined) return 'everything';
  return params.version === undefined ? params.machine : `${params.machine}@${params.version}`;
}
