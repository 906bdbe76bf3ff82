import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PLAIN_NODE, plainEnvironment, Umbra, type Ended, type Teardown } from './umbra-program.js';

/** What umbra-host.ts is asked. */
export interface HostCall {
  readonly id: number;
  readonly commandLine: readonly string[];
}

/** What it answers. */
export interface HostAnswer {
  readonly id: number;
  /** Undefined where a process would have ended with an exception. */
  readonly code?: number;
  readonly stdout: string;
  readonly stderr: string;
}

const HOST = fileURLToPath(new URL('umbra-host.js', import.meta.url));

/**
 * The command line of `umbra` over one store, with the servers of the bundle, but many commands in one process: for tests of
 * what commands do and not of how they begin and end, since each process takes 0.3 s of processor time before it does anything.
 * {@link Umbra.start} still starts a process, which can be killed.
 */
export class HostedUmbra extends Umbra {
  override async run(...commandLine: readonly string[]): Promise<Ended> {
    return await host().run([...commandLine, '--store', this.store, '--json']);
  }
}

/** {@link HostedUmbra} over a store, whose server is killed, if it runs, when the test ends. */
export function hostedUmbraAt(t: Teardown, store: string): HostedUmbra {
  const umbra = new HostedUmbra(store);
  t.teardown(() => umbra.killServer());
  return umbra;
}

let running: Host | undefined;

/** The one of this process, which ends with it. */
function host(): Host {
  if (running?.isAlive !== true) running = new Host();
  return running;
}

interface Waiting {
  readonly resolve: (answer: HostAnswer) => void;
  readonly reject: (error: Error) => void;
}

class Host {
  isAlive = true;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;

  constructor() {
    const [program, ...args] = PLAIN_NODE;
    this.#child = spawn(program, [...args, HOST], {
      env: plainEnvironment(),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (answer: HostAnswer) => {
      this.#settle(answer);
    });
    this.#child.on('exit', (code, signal) => {
      this.isAlive = false;
      const error = new Error(`the process that runs commands ended: ${signal ?? `exit code ${code ?? 0}`}`);
      for (const { reject } of this.#waiting.values()) reject(error);
    });
    // It alone keeps nobody waiting.
    this.#child.unref();
    this.#child.channel?.unref();
  }

  async run(commandLine: readonly string[]): Promise<Ended> {
    const id = ++this.#calls;
    const answer = await new Promise<HostAnswer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.channel?.ref();
      this.#child.send({ id, commandLine } satisfies HostCall);
    });
    // As for a process, without the store and the form of its output.
    return {
      command: commandLine.slice(0, -3).join(' '),
      code: answer.code,
      stdout: answer.stdout,
      stderr: answer.stderr,
    };
  }

  #settle(answer: HostAnswer): void {
    this.#waiting.get(answer.id)?.resolve(answer);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#child.channel?.unref();
  }
}
