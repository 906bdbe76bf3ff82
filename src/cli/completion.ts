import type { Argv } from 'yargs';
import { baseParser, defineCommand } from './parse.js';
import { COMMANDS } from './registry.js';

/** What the completion script calls `umbra` with. */
export const COMPLETION_REQUEST = '--get-yargs-completions';

/** The script for bash. */
export async function completionScript(): Promise<string> {
  const parser = await fullParser();
  return await output(parser.completion('completion', false), ['completion']);
}

/** What can come next on a command line, one suggestion a line. */
export async function completions(commandLine: readonly string[]): Promise<string> {
  const parser = await fullParser();
  return await output(parser.completion('completion', false), commandLine);
}

async function fullParser(): Promise<Argv> {
  const parser = baseParser(undefined);
  for (const { name, summary, load } of COMMANDS) {
    const { command } = await load();
    parser.command(`${name} ${command.usage}`.trimEnd(), summary, (own) => defineCommand(own, name, command));
  }
  return parser;
}

async function output(parser: Argv, commandLine: readonly string[]): Promise<string> {
  let text = '';
  await parser.parseAsync([...commandLine], {}, (_error: unknown, _argv: unknown, printed: string) => {
    text = printed === '' ? '' : `${printed}\n`;
  });
  return text;
}
