import { PassThrough } from 'node:stream';
import type { Connect, Connection } from '../../agent/send/connection.js';
import type { ChangedRange, Checkpoint, CheckpointVolume } from '../../agent/trackers/tracker.js';
import { BLOCK_BYTES } from '../../src/codec/formats.js';
import { systemClock, type Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import type { Sender } from '../../src/ingest/sender.js';
import { Uploads, type RunUpload } from '../../src/ingest/uploads.js';
import type { JobKind } from '../../src/protocol/jobs-api.js';
import type { ByteRange } from '../../src/protocol/api.js';
import { encodeFrame, readFrames } from '../../src/protocol/frames.js';
import type { Store } from '../../src/store/store.js';
import { WorkerPool } from '../../src/workers/pool.js';

/** A server of uploads over a store, without a network. */
export interface IngestServer {
  readonly uploads: Uploads;
  readonly pool: WorkerPool;
  /** How connections ended: undefined for a good end. */
  readonly ends: unknown[];
  /** What becomes of what is sent of a machine: a shadow copy, where it is not said. */
  readonly kinds: Map<string, JobKind>;
  /** How many connections there were. */
  readonly started: () => number;
  readonly connect: (host: string, cut?: Cut) => Connect;
  readonly open: (host: string) => { readonly up: PassThrough; readonly down: PassThrough };
}

/** Cuts the connection when so many bytes were sent to the server; called anew for each connection. */
export type Cut = () => number | undefined;

export function ingestServer(store: Store, clock: Clock = systemClock): IngestServer {
  const pool = new WorkerPool(store.format, 2);
  const uploads = new Uploads({ store: () => store, pool: () => pool, clock });
  const ends: unknown[] = [];
  const kinds = new Map<string, JobKind>();
  let started = 0;
  const open: IngestServer['open'] = (host) => {
    started++;
    const up = new PassThrough().setMaxListeners(0);
    const down = new PassThrough();
    // A broken stream is an error for whoever reads it; nobody else need hear of it.
    for (const stream of [up, down]) stream.on('error', () => undefined);
    const serving = uploads.serve({
      sender: senderOf(host),
      frames: readFrames(up),
      send: (frame) => down.write(Buffer.concat(encodeFrame(frame))),
      authorize: (machine) => {
        if (machine === 'forbidden') throw new UmbraError('FORBIDDEN', 'not yours');
        return kinds.get(machine) ?? 'shadow-copy';
      },
      runJob,
    });
    void serving
      .then(
        () => ends.push(undefined),
        (error: unknown) => ends.push(error),
      )
      .finally(() => down.end());
    return { up, down };
  };
  const connect: IngestServer['connect'] = (host, cut) => () => Promise.resolve(connection(open(host), cut?.()));
  return { uploads, pool, ends, kinds, started: () => started, connect, open };
}

/** An administrator's name has a space, as the server gives it. */
function senderOf(name: string): Sender {
  return name.includes(' ') ? { name } : { name, host: name };
}

/** @param left so many bytes reach the server */
function connection({ up, down }: ReturnType<IngestServer['open']>, left = Infinity): Connection {
  const broken = new UmbraError('SERVER_UNREACHABLE', 'the network is cut');
  return {
    send: async (frame, body) => {
      const bytes = Buffer.concat(encodeFrame(frame, body));
      if (bytes.length > left) {
        up.write(bytes.subarray(0, left));
        up.destroy(broken);
        down.destroy(broken);
      }
      left -= bytes.length;
      if (up.destroyed) throw broken;
      if (!up.write(bytes)) await new Promise((resolve) => up.once('drain', resolve).once('close', resolve));
    },
    frames: readFrames(down),
    close: () => {
      up.end();
    },
  };
}

/** A connection over which anything can be said. */
export function rawConnection(server: IngestServer, host: string): RawConnection {
  const { up, down } = server.open(host);
  const frames = readFrames(down);
  return {
    say: (...bytes) => {
      for (const piece of bytes) up.write(piece);
    },
    hear: async (type) => {
      for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
        if (next.value.header['t'] === type) return next.value.header;
      }
      throw new UmbraError('INTERNAL', `the server ended without "${type}"`);
    },
  };
}

export interface RawConnection {
  readonly say: (...bytes: readonly Uint8Array[]) => void;
  /** The next frame of a type; those before it are left out. */
  readonly hear: (type: string) => Promise<Readonly<Record<string, unknown>>>;
}

const runJob: RunUpload = (_, run) => run(new AbortController().signal, () => undefined);

/** A volume in memory, as of a checkpoint. */
export function memoryVolume(name: string, content: Buffer, changes?: readonly ChangedRange[]): CheckpointVolume {
  return {
    name,
    path: `/images/${name}`,
    format: 'raw',
    sizeBytes: content.length,
    changesKnown: changes !== undefined,
    changes: () => from(changes ?? []),
    extents: () => from(dataExtents(content)),
    read: (target, offset) => {
      target.set(content.subarray(offset, offset + target.length));
      return Promise.resolve();
    },
  };
}

/** A checkpoint of volumes. */
export function memoryCheckpoint(id: string, volumes: readonly CheckpointVolume[]): Checkpoint {
  return {
    id,
    timeMs: Date.now(),
    consistency: 'crash',
    pauseMs: 3,
    notes: ['a note'],
    volumes,
    config: [{ name: 'vm.xml', data: Buffer.from('<domain/>') }],
    acknowledge: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** The runs of blocks that are not zeros. */
function dataExtents(content: Buffer): ByteRange[] {
  const extents: ByteRange[] = [];
  for (let at = 0; at < content.length; at += BLOCK_BYTES) {
    const end = Math.min(at + BLOCK_BYTES, content.length);
    if (content.compare(ZEROS, 0, end - at, at, end) === 0) continue;
    const last = extents.at(-1);
    if (last !== undefined && last.offset + last.length === at)
      extents.splice(-1, 1, { ...last, length: end - last.offset });
    else extents.push({ offset: at, length: end - at });
  }
  return extents;
}

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}
