import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';
import type { Found } from './found.js';
import { realPathOf } from './real-path.js';

const LONGEST_NAME = 255;

/** Machines of several sources, each machine once. */
export class MachineList {
  readonly #machines: DiscoveredMachine[] = [];
  readonly #notes: string[] = [];
  readonly #byUuid = new Map<string, number>();
  /** By real path of a volume's image. */
  readonly #byImage = new Map<string, number>();
  readonly #images = new Set<string>();

  /** Real paths of all images of machines added so far, and of the images behind them. */
  get images(): ReadonlySet<string> {
    return this.#images;
  }

  /** Add what one source found; sources that know more come first. */
  async add({ machines, notes }: Found): Promise<void> {
    this.#notes.push(...notes);
    const before = this.#machines.length;
    for (const machine of machines) {
      const paths = await Promise.all(machine.volumes.map(({ path }) => realPathOf(path)));
      // Machines of one source may share an image, as clusters do.
      const sharing = paths
        .map((path) => this.#byImage.get(path))
        .find((index) => index !== undefined && index < before);
      const same = (machine.uuid === undefined ? undefined : this.#byUuid.get(machine.uuid)) ?? sharing;
      if (same === undefined) await this.#append(machine, paths);
      else this.#merge(same, machine);
    }
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  found(): Found {
    return { machines: [...this.#machines], notes: [...this.#notes] };
  }

  async #append(machine: DiscoveredMachine, paths: readonly string[]): Promise<void> {
    const index = this.#machines.push({ ...machine, name: machine.name.slice(0, LONGEST_NAME) }) - 1;
    if (machine.uuid !== undefined) this.#byUuid.set(machine.uuid, index);
    for (const path of paths) if (!this.#byImage.has(path)) this.#byImage.set(path, index);
    const behind = machine.volumes.flatMap(({ backing }) => backing);
    for (const path of [...paths, ...(await Promise.all(behind.map(realPathOf)))]) this.#images.add(path);
  }

  /** What the service says of itself holds; where its file lies only the file's reader knows. */
  #merge(index: number, { configPaths }: DiscoveredMachine): void {
    const known = this.#machines[index];
    if (known === undefined) return;
    const paths = new Set([...known.configPaths, ...configPaths]);
    this.#machines[index] = { ...known, configPaths: [...paths] };
  }
}
