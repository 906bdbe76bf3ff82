import { ERROR_CODES } from '../common/error-codes.js';
import { isErrorCode, isUmbraError, UmbraError } from '../common/errors.js';
import { EXIT_CODES, type ExitCodeName } from '../common/exit-codes.js';
import { VERSION } from '../protocol/version.js';
import { toWireError } from '../protocol/wire-error.js';
import { Args } from './args.js';
import type { Command } from './command.js';
import type { Environment } from './environment.js';
import { overview } from './overview.js';
import type { Parsed } from './parse.js';
import { quickParse } from './quick-parse.js';
import { COMMANDS, type CommandEntry } from './registry.js';
import { printable } from '../common/printable.js';
import { suggest } from '../common/suggest.js';

/** What the script of `umbra completion` calls `umbra` with. */
const COMPLETION_REQUEST = '--get-yargs-completions';

/** Options before the command that take the next word. */
const TAKES_VALUE: readonly string[] = ['--store', '--server', '--token-file'];

/**
 * Run one command line, everything included: output, errors, help.
 * @param commandLine without the program
 * @returns the exit code of the process
 */
export async function runCli(commandLine: readonly string[], environment: Environment): Promise<number> {
  let printed = false;
  const stdout = {
    ...environment.stdout,
    write: (text: string) => {
      printed ||= text !== '';
      environment.stdout.write(text);
    },
    writeBytes: async (bytes: Uint8Array) => {
      printed ||= bytes.length > 0;
      await environment.stdout.writeBytes(bytes);
    },
  };
  try {
    return EXIT_CODES[await dispatch(commandLine, { ...environment, stdout })].code;
  } catch (error) {
    const json = commandLine.includes('--json') && !printed;
    return report(error, json, environment);
  }
}

async function dispatch(commandLine: readonly string[], environment: Environment): Promise<ExitCodeName> {
  if (commandLine[0] === COMPLETION_REQUEST) {
    const { completions } = await import('./completions.js');
    environment.stdout.write(await completions(commandLine));
    return 'OK';
  }
  const name = findCommandName(commandLine);
  if (name === undefined) return withoutCommand(commandLine, environment);
  if (name === 'help') return await help(commandLine, environment);
  return await runCommand(findCommand(name), commandLine, environment);
}

async function runCommand(
  { name, load }: CommandEntry,
  commandLine: readonly string[],
  environment: Environment,
): Promise<ExitCodeName> {
  const [{ command }, { Session }] = await Promise.all([load(), import('./session.js')]);
  const quick = quickParse(name, command, commandLine);
  const parsed = quick === undefined ? await fullParse(name, command, commandLine, environment) : { args: quick };
  if ('help' in parsed) {
    environment.stdout.write(parsed.help);
    return 'OK';
  }
  const args = new Args(parsed.args, environment.directory);
  return await command.run(
    args,
    new Session(environment, {
      store: args.optionalText('store'),
      server: args.optionalText('server'),
      tokenFile: args.optionalText('token-file'),
      json: args.flag('json'),
    }),
  );
}

async function fullParse(
  name: string,
  command: Command,
  commandLine: readonly string[],
  { stdout }: Environment,
): Promise<Parsed> {
  const { parseCommandLine } = await import('./parse.js');
  return await parseCommandLine(name, command, commandLine, stdout.terminalColumns());
}

/** `umbra help COMMAND` is `umbra COMMAND --help`. */
async function help(commandLine: readonly string[], environment: Environment): Promise<ExitCodeName> {
  const topic = commandLine[commandLine.indexOf('help') + 1];
  if (topic === undefined) return withoutCommand(['--help'], environment);
  return await runCommand(findCommand(topic), [topic, '--help'], environment);
}

function withoutCommand(commandLine: readonly string[], { stdout }: Environment): ExitCodeName {
  if (commandLine.includes('--version')) stdout.write(`umbra ${VERSION}\n`);
  else if (commandLine.length === 0 || commandLine.includes('--help') || commandLine.includes('-h'))
    stdout.write(overview());
  else throw new UmbraError('BAD_ARGUMENT', 'no command is given', { hint: '"umbra" alone lists the commands.' });
  return 'OK';
}

/** The first word that is not an option. */
function findCommandName(commandLine: readonly string[]): string | undefined {
  for (let index = 0; index < commandLine.length; index += 1) {
    const word = commandLine[index] ?? '';
    if (!word.startsWith('-')) return word;
    if (TAKES_VALUE.includes(word)) index += 1;
  }
  return undefined;
}

function findCommand(name: string): CommandEntry {
  const found = COMMANDS.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const meant = suggest(
    name,
    COMMANDS.map((entry) => entry.name),
  );
  throw new UmbraError('BAD_ARGUMENT', `there is no command ${JSON.stringify(name)}`, {
    hint: meant === undefined ? '"umbra" alone lists the commands.' : `Did you mean "umbra ${meant}"?`,
  });
}

/** Say what went wrong: in words on standard error, with `json` also as the one document on standard output. */
function report(error: unknown, json: boolean, { stdout, stderr }: Environment): number {
  const wire = toWireError(error);
  if (json) stdout.write(`${JSON.stringify({ error: wire }, undefined, 2)}\n`);
  stderr.write(`umbra: ${safe(wire.message)}\n`);
  if (wire.hint !== undefined) stderr.write(`${safe(wire.hint)}\n`);
  if (!isUmbraError(error) && error instanceof Error) stderr.write(`${error.stack ?? ''}\n`);
  return EXIT_CODES[ERROR_CODES[isErrorCode(wire.code) ? wire.code : 'INTERNAL'].exit].code;
}

/** A message, which may have lines and names from a guest in it, for a terminal. */
function safe(message: string): string {
  return message.split('\n').map(printable).join('\n');
}
