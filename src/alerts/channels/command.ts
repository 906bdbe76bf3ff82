import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { messageOf, UmbraError } from '../../common/errors.js';
import { printable } from '../../common/printable.js';
import type { Delivered, Sending } from '../channel.js';
import { bodyOf, jsonOf, titleOf } from '../message-text.js';
import type { Message } from '../message.js';

export interface CommandOptions {
  /** The program, by its absolute path, and its arguments. */
  readonly run: readonly [program: string, ...rest: string[]];
}

/** So much of what it prints is kept. */
const MOST_OUTPUT = 4096;
/** And so much of that is told. */
const MOST_SAID = 300;
/** More does not fit into an environment. */
const MOST_BODY = 32 * 1024;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Run a program, without a shell: the message comes as JSON on its standard input, and what it says for people in its environment. It is
 * killed with all that it started if it takes too long. 0 is a yes.
 * @throws {UmbraError} NOTIFY_FAILED
 */
export async function runCommand({ run }: CommandOptions, message: Message, { signal }: Sending): Promise<Delivered> {
  const [program, ...rest] = run;
  signal.throwIfAborted();
  const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LANG: 'C.UTF-8', ...environmentOf(message) };
  const child = spawn(program, rest, { cwd: '/', env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const kill = (): void => {
    killGroup(child);
  };
  signal.addEventListener('abort', kill);
  try {
    return await outcomeOf(child, program, message);
  } finally {
    signal.removeEventListener('abort', kill);
    // What it left running in the background may hold them.
    child.stdout.destroy();
    child.stderr.destroy();
    child.stdin.destroy();
  }
}

async function outcomeOf(child: Child, program: string, message: Message): Promise<Delivered> {
  const output = collect(child);
  // One that does not read what it is told may have done its work all the same.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${jsonOf(message)}\n`);
  const failure = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => {
      resolve(`cannot be run: ${messageOf(error)}`);
    });
    child.on('exit', (code, signal) => {
      resolve(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`);
    });
  });
  const said = printable(output().trim()).slice(0, MOST_SAID);
  if (failure === undefined) return said === '' ? {} : { notes: [said] };
  throw new UmbraError('NOTIFY_FAILED', `the command ${program} ${failure}${said === '' ? '' : `: ${said}`}`);
}

function collect({ stdout, stderr }: Child): () => string {
  const parts: Buffer[] = [];
  let bytes = 0;
  for (const stream of [stdout, stderr]) {
    stream.on('data', (part: Buffer) => {
      if (bytes < MOST_OUTPUT) parts.push(part.subarray(0, MOST_OUTPUT - bytes));
      bytes += part.length;
    });
  }
  return () => Buffer.concat(parts).toString();
}

function environmentOf(message: Message): Record<string, string> {
  const { id, items, more, server, store, isTest } = message;
  const same = (values: readonly string[]): string => (new Set(values).size === 1 ? (values[0] ?? '') : 'several');
  const worst = items.some(({ severity }) => severity === 'critical') ? 'critical' : 'warning';
  const body = bodyOf(message);
  return {
    UMBRA_ALERT_ID: id,
    UMBRA_ALERT_TITLE: titleOf(message),
    UMBRA_ALERT_TEXT: body.length > MOST_BODY ? `${body.slice(0, MOST_BODY)}…` : body,
    UMBRA_ALERT_COUNT: String(items.length + more),
    UMBRA_ALERT_EVENT: isTest ? 'test' : same(items.map(({ event }) => event)),
    UMBRA_ALERT_KIND: isTest ? 'test' : same(items.map(({ kind }) => kind)),
    UMBRA_ALERT_SUBJECT: isTest ? 'test' : same(items.map(({ subject }) => subject)),
    UMBRA_ALERT_SEVERITY: isTest ? 'test' : worst,
    UMBRA_ALERT_SERVER: server,
    UMBRA_ALERT_STORE: store,
  };
}

function killGroup({ pid }: Child): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}
