import { readFile } from 'node:fs/promises';
import { systemCode } from '../../src/common/errors.js';
import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';
import { writeDurably } from '../../src/system/durable-file.js';
import type { QmpSocket } from '../discovery/discover.js';
import type { StartImage } from '../trackers/differencing/newest-overlay.js';

/** A machine, with what it takes to find its disks while it is off. */
export interface SeenMachine extends DiscoveredMachine {
  /** By volume: what lies below the overlays of ours that a disk begins with, which come and go. */
  readonly images?: Readonly<Record<string, StartImage>>;
}

/** Machines by `NAME SOCKET` of the configuration. */
type Seen = Readonly<Record<string, SeenMachine>>;

/** What was last seen of QEMUs at QMP sockets: one that is off can't be asked what its disks are. One small durable file. */
export class SeenMachines {
  readonly #path: string;
  #seen: Seen | undefined;

  /** @param path - absolute; its directory is there */
  constructor(path: string) {
    this.#path = path;
  }

  /** @param all - the sockets of the configuration: what was seen at others is forgotten. @throws system errors */
  async see(socket: QmpSocket, machine: SeenMachine, all: readonly QmpSocket[]): Promise<void> {
    const seen = await this.#read();
    const before = seen[keyOf(socket)];
    // Whether it runs changes often, and says nothing of its disks.
    const isKnown = JSON.stringify({ ...before, state: 'off' }) === JSON.stringify({ ...machine, state: 'off' });
    const keys = new Set(all.map(keyOf));
    const kept = Object.entries(seen).filter(([key]) => keys.has(key) && key !== keyOf(socket));
    this.#seen = Object.fromEntries([...kept, [keyOf(socket), machine]]);
    if (!isKnown) await writeDurably(this.#path, `${JSON.stringify(this.#seen)}\n`);
  }

  /** It is somewhere else: when its QEMU is gone it is not off. @throws system errors */
  async forget(socket: QmpSocket): Promise<void> {
    const seen = await this.#read();
    this.#seen = Object.fromEntries(Object.entries(seen).filter(([key]) => key !== keyOf(socket)));
    await writeDurably(this.#path, `${JSON.stringify(this.#seen)}\n`);
  }

  /** As it was seen last; undefined if it never was. */
  async last(socket: QmpSocket): Promise<SeenMachine | undefined> {
    return (await this.#read())[keyOf(socket)];
  }

  async #read(): Promise<Seen> {
    this.#seen ??= await this.#readFile();
    return this.#seen;
  }

  async #readFile(): Promise<Seen> {
    try {
      // The file is whole, and nobody else's.
      return JSON.parse(await readFile(this.#path, 'utf8')) as Seen;
    } catch (error) {
      if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return {};
      throw error;
    }
  }
}

function keyOf({ name, socket }: QmpSocket): string {
  return `${name} ${socket}`;
}
