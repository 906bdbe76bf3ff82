import type { ServerResponse } from 'node:http';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import { toWireError } from '../protocol/wire-error.js';
import { BYTES_TYPE, ERROR_TRAILER, SHADOW_COPY_HEADER, SIZE_HEADER } from '../protocol/wire.js';

/** What an operation that is answered with bytes writes them to. */
export interface ByteSink {
  /** What is to come; until then an error can be answered in another way. */
  begin(content: { readonly sizeBytes: number; readonly shadowCopy: string }): void;
  /** Resolves when there is room for more, or when nobody takes it any more. */
  write(bytes: Uint8Array): Promise<void>;
}

/** An answer of raw bytes; what went wrong after its header was sent comes in a trailer. */
export class ByteAnswer implements ByteSink {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  begin({ sizeBytes, shadowCopy }: { readonly sizeBytes: number; readonly shadowCopy: string }): void {
    this.#response.writeHead(200, {
      'content-type': BYTES_TYPE,
      'cache-control': 'no-store',
      trailer: ERROR_TRAILER,
      [SIZE_HEADER]: sizeBytes,
      [SHADOW_COPY_HEADER]: shadowCopy,
      [PROTOCOL_HEADER]: PROTOCOL_VERSION,
    });
    this.#response.flushHeaders();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#response.destroyed || this.#response.write(bytes)) return;
    await roomIn(this.#response);
  }

  /** @param error what ended it too early, if anything did */
  end(error?: unknown): void {
    if (this.#response.destroyed) return;
    if (error !== undefined) {
      this.#response.addTrailers({ [ERROR_TRAILER]: encodeURIComponent(JSON.stringify(toWireError(error))) });
    }
    this.#response.end();
  }
}

/** Resolves when a response takes more, or nobody reads it any more. */
export async function roomIn(response: ServerResponse): Promise<void> {
  if (response.destroyed || !response.writableNeedDrain) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.removeListener('drain', done);
      response.removeListener('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
