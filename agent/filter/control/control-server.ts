import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import type { Log } from '../../../src/common/log.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { toWireError } from '../../../src/protocol/wire-error.js';
import type { Checkpoints, View, ViewedFile } from '../checkpoints.js';
import { BlockSet } from '../log/block-set.js';
import { viewPath } from '../view/view-tree.js';
import { boundedLines } from './lines.js';
import {
  MAX_RANGES,
  parseRequest,
  type BeginAnswer,
  type ControlAnswer,
  type ControlRequest,
  type RangesAnswer,
  type StatusAnswer,
} from './protocol.js';

const MAX_CONNECTIONS = 64;

export interface ControlServerOptions {
  readonly socketPath: string;
  readonly checkpoints: Checkpoints;
  /** Absolute. */
  readonly directory: string;
  readonly lost: string | undefined;
  readonly groups: () => readonly string[];
  readonly log: Log;
}

/** Answers agents. Who may connect is decided by the mode of the socket's directory. */
export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => void this.#serve(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  static async listen(options: ControlServerOptions): Promise<ControlServer> {
    const control = new ControlServer(options);
    await rm(options.socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject).listen(options.socketPath, resolve);
    });
    return control;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  /** Never rejects. */
  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    const connection = new Connection(this.#options);
    try {
      for await (const line of boundedLines(socket)) {
        const answer = JSON.stringify(await connection.answer(line));
        // Without a reader of answers nobody asks more.
        if (!socket.write(`${answer}\n`)) await drained(socket);
      }
    } catch (error) {
      this.#options.log.warn('filter: a control connection broke', { reason: messageOf(error) });
    } finally {
      socket.destroy();
      this.#sockets.delete(socket);
      await connection.end();
    }
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['drain', 'close'] as const)
      socket.once(event, () => {
        resolve();
      });
  });
}

class Connection {
  readonly #options: ControlServerOptions;
  readonly #views = new Map<string, View>();
  /** The list that is being given out in parts. */
  #list: { readonly key: string; readonly ranges: readonly ByteRange[] } | undefined;

  constructor(options: ControlServerOptions) {
    this.#options = options;
  }

  async answer(line: string): Promise<ControlAnswer> {
    try {
      return { ok: await this.#do(parseRequest(line)) };
    } catch (error) {
      return { error: toWireError(error) };
    }
  }

  async end(): Promise<void> {
    for (const view of this.#views.values()) await this.#options.checkpoints.end(view);
  }

  async #do(request: ControlRequest): Promise<unknown> {
    const { checkpoints } = this.#options;
    switch (request.op) {
      case 'status':
        return this.#status();
      case 'begin':
        return await this.#begin(request);
      case 'changes':
      case 'extents':
        return await this.#ranges(request);
      case 'acknowledge':
        await checkpoints.acknowledge(this.#view(request.token));
        return {};
      case 'end':
        await checkpoints.end(this.#view(request.token));
        this.#views.delete(request.token);
        return {};
      case 'forget':
        await checkpoints.forget(request.group);
        return {};
    }
  }

  #status(): StatusAnswer {
    const { directory, lost, groups, checkpoints } = this.#options;
    const views = checkpoints.views().map(({ token, group, id, space }) => ({
      token,
      group,
      id,
      sideBytes: space.usedBytes,
      ...(space.broken === undefined ? {} : { broken: space.broken }),
    }));
    return { directory, groups: groups(), views, ...(lost === undefined ? {} : { lost }) };
  }

  async #begin(request: Extract<ControlRequest, { readonly op: 'begin' }>): Promise<BeginAnswer> {
    const view = await this.#options.checkpoints.begin({ ...request, since: request.since });
    this.#views.set(view.token, view);
    const files = view.files.map(({ name, path, view: file, changes }) => ({
      name,
      path: this.#options.directory + viewPath(view.token, path),
      sizeBytes: file.sizeBytes,
      ...(changes instanceof BlockSet ? {} : { unknown: changes.unknown }),
    }));
    return { token: view.token, timeMs: view.timeMs, pauseMs: view.pauseMs, files };
  }

  async #ranges(request: Extract<ControlRequest, { readonly from: number }>): Promise<RangesAnswer> {
    const { op, token, name, from } = request;
    const file = this.#view(token).files.find((of) => of.name === name);
    if (file === undefined) throw new UmbraError('NOT_FOUND', `the checkpoint has no file ${name}`);
    const key = `${op} ${token} ${name}`;
    if (this.#list?.key !== key || from === 0) this.#list = { key, ranges: await rangesOf(op, file) };
    const { ranges } = this.#list;
    const first = ranges.findIndex(({ offset }) => offset >= from);
    const part = first < 0 ? [] : ranges.slice(first, first + MAX_RANGES);
    const next = ranges[first + MAX_RANGES];
    if (first >= 0 && next !== undefined) return { ranges: part, next: next.offset };
    this.#list = undefined;
    return { ranges: part };
  }

  #view(token: string): View {
    const view = this.#views.get(token);
    if (view === undefined) throw new UmbraError('NOT_FOUND', 'this connection has no such checkpoint');
    return view;
  }
}

async function rangesOf(op: 'changes' | 'extents', { view, changes, name }: ViewedFile): Promise<readonly ByteRange[]> {
  if (op === 'extents') return await view.extents();
  if (changes instanceof BlockSet) return [...changes.ranges(view.sizeBytes)];
  throw new UmbraError('TRACKER_FAILED', `nobody knows what changed in ${name}: ${changes.unknown}`, {
    hint: 'Compare everything.',
  });
}
