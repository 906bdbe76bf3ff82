import type { Clock } from '../common/clock.js';
import type { ServerParts } from '../server/serve.js';

/** Where text goes. */
export interface Output {
  readonly write: (text: string) => void;
  /** The width of the terminal in characters; undefined when it is not one. */
  readonly terminalColumns: () => number | undefined;
  /** Its height in lines. */
  readonly terminalRows: () => number | undefined;
}

/** Where results go, also those that are no text, or more than should be in memory. */
export interface ByteOutput extends Output {
  /** Write bytes as they are; resolves when there is room for more. */
  readonly writeBytes: (bytes: Uint8Array) => Promise<void>;
}

/** What a command is run in: the process, or a test. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
  readonly home: string;
  readonly isRoot: boolean;
  readonly stdout: ByteOutput;
  readonly stderr: Output;
  /** Everything on standard input, up to 64 KiB. */
  readonly readInput: () => Promise<string>;
  /** Ask a question on the terminal without showing what is typed; undefined where there is none. */
  readonly askHidden?: ((question: string) => Promise<string>) | undefined;
  readonly clock: Clock;
  /** Aborted when the user interrupts. */
  readonly interrupted: AbortSignal;
  /** The JavaScript program that commands start as the server. */
  readonly serverProgram: string;
  /** The JavaScript program of the commands themselves. */
  readonly umbraProgram: string;
  /** The JavaScript program of a filter over images. */
  readonly filterProgram: string;
  /** What `umbra serve` is made of; loaded only there. */
  readonly serverParts: () => Promise<ServerParts>;
}
