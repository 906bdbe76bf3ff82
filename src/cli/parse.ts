import yargs, { type Argv } from 'yargs';
import { UmbraError } from '../common/errors.js';
import type { RawArgs } from './args.js';
import { flagOption, textOption, type Command } from './command.js';
import { suggest } from '../common/suggest.js';

/** What a command line asks for: its help, or to be run with these arguments. */
export type Parsed = { readonly help: string } | { readonly args: RawArgs };

const PARSER = {
  'boolean-negation': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'greedy-arrays': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'short-option-groups': false,
};

const HELP_WIDTH = 100;

/**
 * Parse the command line of one command.
 * @throws {UmbraError} BAD_ARGUMENT for what the command does not take
 */
export async function parseCommandLine(
  name: string,
  command: Command,
  commandLine: readonly string[],
  columns: number | undefined,
): Promise<Parsed> {
  let args: RawArgs | undefined;
  let help = '';
  let failure: UmbraError | undefined;
  const parser = baseParser(columns)
    .command(
      `${name} ${command.usage}`.trimEnd(),
      command.description,
      (own) => defineCommand(own, name, command),
      (found) => {
        args = found;
      },
    )
    .strict()
    .fail((message: string | null) => {
      failure ??= usageError(name, command, commandLine, message ?? 'the command line is wrong');
    });
  await parser.parseAsync(withoutSeparator(commandLine), {}, (_error: unknown, _argv: unknown, output: string) => {
    help = output;
  });
  if (failure !== undefined) throw failure;
  return args === undefined || isHelp(commandLine) ? { help: `${help}\n` } : { args };
}

function isHelp(commandLine: readonly string[]): boolean {
  const end = commandLine.indexOf('--');
  const options = end < 0 ? commandLine : commandLine.slice(0, end);
  return options.includes('--help') || options.includes('-h');
}

/** What follows `--` are arguments even when they begin with a dash; only paths can, so they get a directory. */
function withoutSeparator(commandLine: readonly string[]): string[] {
  const end = commandLine.indexOf('--');
  if (end < 0) return [...commandLine];
  const rest = commandLine.slice(end + 1).map((word) => (word.startsWith('-') ? `./${word}` : word));
  return [...commandLine.slice(0, end), ...rest];
}

/** A parser with what every command has. */
export function baseParser(columns: number | undefined): Argv {
  return yargs([])
    .scriptName('umbra')
    .detectLocale(false)
    .parserConfiguration(PARSER)
    .exitProcess(false)
    .version(false)
    .help('help', 'Explain the command')
    .alias('help', 'h')
    .wrap(Math.min(columns ?? HELP_WIDTH, HELP_WIDTH))
    .option('store', textOption('The directory of the store ($UMBRA_STORE)'))
    .option('server', textOption('The URL of a server elsewhere, instead of a store ($UMBRA_SERVER)'))
    .option('token-file', textOption("A file with an administrator's token for that server ($UMBRA_TOKEN)"))
    .option('json', flagOption('Print one JSON document on standard output'));
}

/** What a parser prints for a command line. */
export async function printed(parser: Argv, commandLine: readonly string[]): Promise<string> {
  let text = '';
  await parser.parseAsync([...commandLine], {}, (_error: unknown, _argv: unknown, output: string) => {
    text = output === '' ? '' : `${output}\n`;
  });
  return text;
}

/** Tell a parser about a command's own arguments. */
export function defineCommand(parser: Argv, name: string, command: Command): Argv {
  parser.usage(
    `Usage: ${`umbra ${name} ${command.synopsis}`.trimEnd()}\n\n${command.description.replaceAll('\n', ' ')}`,
  );
  for (const [name, options] of Object.entries(command.positionals)) parser.positional(name, options);
  for (const [line, what] of command.examples) parser.example(line, what);
  return parser.options({ ...command.options }).epilogue(command.next);
}

/** yargs' complaint in our words, with the option that was probably meant. */
function usageError(name: string, command: Command, commandLine: readonly string[], message: string): UmbraError {
  const known = [...Object.keys(command.options), 'store', 'server', 'token-file', 'json', 'help'];
  const unknown = /^Unknown arguments?: (.+)$/.exec(message)?.[1]?.split(', ') ?? unknownOptions(commandLine, known);
  const hint = `"umbra ${name} --help" explains the command.`;
  if (unknown.length === 0) {
    return new UmbraError('BAD_ARGUMENT', missingArguments(name, command, message) ?? lowerFirst(message), { hint });
  }
  const shown = unknown.map((word) => asTyped(word, commandLine));
  const meant = shown[0]?.startsWith('-') === true ? suggest(shown[0].replace(/^-+/, ''), known) : undefined;
  return new UmbraError('BAD_ARGUMENT', `"umbra ${name}" does not take ${shown.join(', ')}`, {
    hint: meant === undefined ? hint : `Did you mean --${meant}? ${hint}`,
  });
}

/** What yargs doesn't come to say when something else is missing, too. */
function unknownOptions(commandLine: readonly string[], known: readonly string[]): string[] {
  const end = commandLine.indexOf('--');
  const words = end < 0 ? commandLine : commandLine.slice(0, end);
  return words.flatMap((word) => {
    const option = /^--([^=]+)/.exec(word)?.[1];
    return option === undefined || known.includes(option) ? [] : [option];
  });
}

/** Which arguments are missing; undefined if that is not what yargs complains of. */
function missingArguments(name: string, { usage }: Command, message: string): string | undefined {
  const got = /^Not enough non-option arguments: got (\d+)/.exec(message)?.[1];
  if (got === undefined) return undefined;
  const required = [...usage.matchAll(/<([^>]+?)(?:\.\.)?>/g)].map(([, argument = '']) => argument);
  return `"umbra ${name}" needs ${required.slice(Number(got)).join(' and ')}`;
}

/** yargs drops the dashes of options. */
function asTyped(word: string, commandLine: readonly string[]): string {
  if (commandLine.includes(word)) return word;
  return commandLine.some((typed) => typed === `--${word}` || typed.startsWith(`--${word}=`))
    ? `--${word}`
    : `-${word}`;
}

/** yargs writes headings and lists; here it is one line. */
function lowerFirst(text: string): string {
  const line = text
    .split('\n')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join(' ');
  return line.charAt(0).toLowerCase() + line.slice(1);
}
