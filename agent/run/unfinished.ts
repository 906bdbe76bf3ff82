import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../src/common/errors.js';
import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';
import { writeDurably } from '../../src/system/durable-file.js';
import { makeDirectories } from '../../src/system/make-directory.js';

const NOTE = 'unfinished.json';

/** The machines whose backups have begun and not ended: what an agent that was killed leaves for the next one to tidy up. */
export class Unfinished {
  readonly #directory: string;

  /** @param directory - absolute; with a folder for each machine, by its name in the store */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Durable before anything is done to the machine. @throws system errors */
  async begin(name: string, machine: DiscoveredMachine): Promise<void> {
    await makeDirectories(join(this.#directory, name));
    await writeDurably(this.#path(name), JSON.stringify(machine));
  }

  /** It need not be durable: tidying up once more is harmless. */
  async end(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  /** @returns by name, as their host had them then */
  async list(): Promise<ReadonlyMap<string, DiscoveredMachine>> {
    const found = new Map<string, DiscoveredMachine>();
    for (const name of await namesIn(this.#directory)) {
      const machine = await this.#read(name);
      if (machine !== undefined) found.set(name, machine);
    }
    return found;
  }

  async #read(name: string): Promise<DiscoveredMachine | undefined> {
    try {
      // The file is whole, and nobody else's.
      return JSON.parse(await readFile(this.#path(name), 'utf8')) as DiscoveredMachine;
    } catch (error) {
      if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #path(name: string): string {
    return join(this.#directory, name, NOTE);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
