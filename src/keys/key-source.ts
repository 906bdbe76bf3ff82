import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

import { messageOf, UmbraError } from '../common/errors.js';
import { makeSecret, MAX_SECRET_BYTES, type Secret } from './secret.js';

/** Where the key of an encrypted store comes from. */
export type KeySource =
  /** Absolute path of a file. */
  | { readonly keyFile: string }
  /** Absolute path of a file with a passphrase. */
  | { readonly passphraseFile: string }
  /** A command line for the shell, which prints a key or a passphrase. */
  | { readonly keyCommand: string };

/** What names a key source, in options, configuration files and the environment. */
export interface KeyChoice {
  readonly keyFile?: string | undefined;
  readonly passphraseFile?: string | undefined;
  readonly keyCommand?: string | undefined;
}

/** How long a key command may take: it may ask a server, or somebody to touch a token. */
const COMMAND_LIMIT_MS = 60_000;
/** So much of what a key command complains about is shown. */
const MAX_COMPLAINT = 500;

/**
 * The one source that is named.
 * @param where for messages: what names it
 * @returns undefined if none is
 * @throws {UmbraError} BAD_ARGUMENT for more than one
 */
export function chooseSource({ keyFile, passphraseFile, keyCommand }: KeyChoice, where: string): KeySource | undefined {
  const named = [
    ...(keyFile === undefined ? [] : [{ keyFile }]),
    ...(passphraseFile === undefined ? [] : [{ passphraseFile }]),
    ...(keyCommand === undefined ? [] : [{ keyCommand }]),
  ];
  if (named.length <= 1) return named[0];
  throw new UmbraError('BAD_ARGUMENT', `${where} names more than one key`, {
    hint: 'Give a key file, a passphrase file or a key command: one of them.',
  });
}

/** The source that the environment names; an empty variable names none. @throws {UmbraError} BAD_ARGUMENT for more than one */
export function sourceOfEnvironment(variables: Readonly<Record<string, string | undefined>>): KeySource | undefined {
  const named = (name: string): string | undefined => (variables[name] === '' ? undefined : variables[name]);
  return chooseSource(
    {
      keyFile: named('UMBRA_KEY_FILE'),
      passphraseFile: named('UMBRA_PASSPHRASE_FILE'),
      keyCommand: named('UMBRA_KEY_COMMAND'),
    },
    'the environment',
  );
}

/** @throws {UmbraError} KEY_UNREADABLE */
export function readSource(source: KeySource, limitMs = COMMAND_LIMIT_MS): Promise<Secret> {
  if ('keyCommand' in source) return runCommand(source.keyCommand, limitMs);
  if ('keyFile' in source) return readSecretFile('key-file', source.keyFile, `the key file ${source.keyFile}`);
  return readSecretFile('passphrase', source.passphraseFile, `the passphrase file ${source.passphraseFile}`);
}

async function readSecretFile(source: Secret['source'], file: string, where: string): Promise<Secret> {
  let content: Buffer;
  try {
    // A pipe may be named, too: a shell's <(command).
    const handle = await open(file, constants.O_RDONLY);
    try {
      const stat = await handle.stat();
      if (stat.isFile() && (stat.mode & 0o077) !== 0) throw openToOthers(file, where);
      content = await readBounded(handle.createReadStream({ autoClose: false }));
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof UmbraError) throw cause;
    throw new UmbraError('KEY_UNREADABLE', `${where} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return makeSecret(source, content, where);
}

function openToOthers(file: string, where: string): UmbraError {
  return new UmbraError('KEY_UNREADABLE', `${where} is open to others than its owner`, {
    hint: `Run "chmod 600 ${file}". If others may have read it, give the store another one: "umbra key change".`,
  });
}

/** One byte more than a secret may have, if there is as much. */
async function readBounded(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream) {
    if (!Buffer.isBuffer(part)) continue;
    parts.push(part);
    bytes += part.length;
    if (bytes > MAX_SECRET_BYTES + 2) break;
  }
  return Buffer.concat(parts);
}

async function runCommand(command: string, limitMs: number): Promise<Secret> {
  const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const end = (): void => {
    if (child.pid === undefined) return;
    try {
      // With all that it started.
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (more: string) => {
    complaint = (complaint + more).slice(0, MAX_COMPLAINT);
  });
  const late = new AbortController();
  const limit = setTimeout(() => {
    late.abort();
    end();
  }, limitMs);
  try {
    const how = new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => {
        resolve(error.message);
      });
      child.once('close', (code, signal) => {
        resolve(code === 0 ? undefined : (signal ?? `exit code ${code ?? 0}`));
      });
    });
    const output = await readBounded(child.stdout);
    if (output.length > MAX_SECRET_BYTES) end();
    const failed = output.length > MAX_SECRET_BYTES ? undefined : await how;
    if (late.signal.aborted) throw commandFailed(`it took longer than ${limitMs / 1000} s`, complaint);
    if (failed !== undefined) throw commandFailed(failed, complaint);
    return makeSecret('command', output, 'the output of the key command');
  } finally {
    clearTimeout(limit);
    end();
  }
}

/** The command line itself may hold what should not be in a log. */
function commandFailed(how: string, complaint: string): UmbraError {
  const said = complaint.trim();
  return new UmbraError('KEY_UNREADABLE', `the key command failed: ${how}${said === '' ? '' : `: ${said}`}`, {
    hint: 'Run it yourself, as the user of the server: it has to print the key, and nothing else, on standard output.',
  });
}
