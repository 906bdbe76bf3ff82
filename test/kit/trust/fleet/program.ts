import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { PLAIN_NODE, plainEnvironment, UMBRA_PROGRAM, type Teardown } from '../../umbra-program.js';

const execute = promisify(execFile);

/** The command line of the real `umbra` program. */
export function umbra(...commandLine: readonly string[]): string[] {
  return [...PLAIN_NODE, UMBRA_PROGRAM, ...commandLine];
}

/** Run a command that must succeed; what it prints. */
export async function runProgram([program = '', ...args]: readonly string[]): Promise<string> {
  return (await execute(program, args, { env: plainEnvironment() })).stdout;
}

/** A program that runs on until it is killed, and is started again. */
export class LastingProgram {
  readonly #commandLine: readonly string[];
  readonly #log: string;
  readonly #variables: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #isOver = false;
  /** Somebody wanted it to end. */
  #isEnded = false;

  /** @param log - the file that takes what it says */
  constructor(
    t: Teardown,
    commandLine: readonly string[],
    log: string,
    variables: Readonly<Record<string, string>> = {},
  ) {
    this.#commandLine = commandLine;
    this.#log = log;
    this.#variables = variables;
    t.teardown(() => {
      this.#isOver = true;
      return this.kill();
    });
  }

  /** @throws Error when what it was made for has ended: whoever is late must not leave it running */
  start(): void {
    if (this.#isOver) throw new Error(`${this.#commandLine.join(' ')} is not started any more`);
    const [program = '', ...args] = this.#commandLine;
    this.#isEnded = false;
    const log = openSync(this.#log, 'a');
    const env = { ...plainEnvironment(), ...this.#variables };
    this.#child = spawn(program, args, { stdio: ['ignore', log, log], env });
    closeSync(log);
  }

  /** Undefined when it does not run. */
  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** End it in order; resolves with its exit code when it is gone. */
  async stop(): Promise<number | undefined> {
    return await this.#end('SIGTERM');
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** @throws Error with the last of what it said, if it has ended by itself */
  assertRunning(): void {
    if (this.isRunning || this.#isEnded) return;
    const said = readFileSync(this.#log, 'utf8').slice(-2000);
    const { exitCode = null, signalCode = null } = this.#child ?? {};
    throw new Error(`${this.#commandLine.join(' ')} ended (${signalCode ?? exitCode}): ${said}`);
  }

  async #end(signal: NodeJS.Signals): Promise<number | undefined> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? undefined;
    this.#isEnded = true;
    const gone = once(child, 'exit');
    child.kill(signal);
    const ended: readonly unknown[] = await gone;
    const code = ended[0];
    return typeof code === 'number' ? code : undefined;
  }
}
