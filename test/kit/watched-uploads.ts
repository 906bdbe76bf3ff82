import type { IngestConnection } from '../../src/ingest/uploads.js';
import type { WireFrame } from '../../src/protocol/frames.js';
import type { Engine } from '../../src/server/engine.js';

/** What a test sees, and holds up, of uploads. */
export interface UploadsWatch {
  /** What was sent of this machine is durable; whoever sent it is told when this resolves. */
  readonly committed: (machine: string) => Promise<void>;
  /** So many bytes of a machine's data have come. */
  readonly received: (machine: string, bytes: number) => void;
}

/** Have the uploads of an engine watched. */
export function watchUploads(engine: Engine, { committed, received }: UploadsWatch): Engine {
  const uploads = engine.uploads();
  const serve = uploads.serve.bind(uploads);
  uploads.serve = (connection) => {
    let machine = '';
    const watched: IngestConnection = {
      ...connection,
      authorize: (name) => connection.authorize((machine = name)),
      frames: mapped(connection.frames, ({ body }) => {
        if (machine !== '') received(machine, body.length);
      }),
      runJob: async (upload, work) => {
        const record = await connection.runJob(upload, work);
        await committed(upload.machine);
        return record;
      },
    };
    return serve(watched);
  };
  return engine;
}

async function* mapped(
  frames: AsyncIterator<WireFrame, void>,
  look: (frame: WireFrame) => void,
): AsyncGenerator<WireFrame, void> {
  for (let next = await frames.next(); next.done !== true; next = await frames.next()) {
    look(next.value);
    yield next.value;
  }
}
