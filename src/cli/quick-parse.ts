import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { RawArgs } from './args.js';
import type { Command } from './command.js';

type OptionConfigs = NonNullable<ParseArgsConfig['options']>;

/**
 * Parse a command line that is plainly right, without yargs: loading that takes half of the time
 * that a short command takes. The result is what yargs would give, which a test compares.
 * @returns undefined for everything that is not plain: help, mistakes, abbreviations, `--`
 */
export function quickParse(name: string, command: Command, commandLine: readonly string[]): RawArgs | undefined {
  // Several short options in one word are taken apart here, and by yargs not.
  if (commandLine.some((word) => word === '--' || word === '-' || word === '' || /^-\w\w/.test(word))) return undefined;
  try {
    const { values, positionals, tokens } = parseArgs({
      args: [...commandLine],
      options: optionConfigs(command),
      allowPositionals: true,
      strict: true,
      tokens: true,
    });
    if (isRepeated(command, tokens)) return undefined;
    const [first, ...words] = positionals;
    const assigned = first === name ? assign(command.usage, words) : undefined;
    return assigned !== undefined && isGood(command, values) ? { ...values, ...assigned } : undefined;
  } catch {
    return undefined;
  }
}

function optionConfigs(command: Command): OptionConfigs {
  const configs: OptionConfigs = {
    store: { type: 'string' },
    server: { type: 'string' },
    'token-file': { type: 'string' },
    json: { type: 'boolean' },
  };
  for (const [name, { type, array, alias }] of Object.entries(command.options)) {
    const short = typeof alias === 'string' ? { short: alias } : {};
    configs[name] = { type: type === 'boolean' ? 'boolean' : 'string', multiple: array === true, ...short };
  }
  return configs;
}

/** True if an option that takes one value is there twice. */
function isRepeated(command: Command, tokens: readonly { readonly kind: string; readonly name?: string }[]): boolean {
  const single = tokens
    .filter(({ kind, name }) => kind === 'option' && command.options[name ?? '']?.array !== true)
    .map(({ name }) => name);
  return new Set(single).size < single.length;
}

function isGood(command: Command, values: Readonly<Record<string, unknown>>): boolean {
  if (['store', 'server', 'token-file'].some((name) => values[name] === '')) return false;
  return Object.entries(command.options).every(([name, { choices, demandOption }]) => {
    const value = values[name];
    if (value === undefined) return demandOption !== true;
    return value !== '' && (choices === undefined || choices.some((choice) => choice === value));
  });
}

/** Give the words to the positionals of a usage like `<MACHINE> [IMAGE..]`; undefined when they don't fit. */
function assign(usage: string, words: readonly string[]): RawArgs | undefined {
  const args: Record<string, unknown> = {};
  let next = 0;
  for (const slot of usage.split(' ').filter((text) => text !== '')) {
    const name = slot.slice(1, -1).replace(/\.\.$/, '');
    const many = slot.endsWith('..>') || slot.endsWith('..]');
    const given = many ? words.slice(next) : words.slice(next, next + 1);
    if (given.length === 0 && slot.startsWith('<')) return undefined;
    if (many) args[name] = given;
    else if (given[0] !== undefined) args[name] = given[0];
    next += given.length;
  }
  return next === words.length ? args : undefined;
}
