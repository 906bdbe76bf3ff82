import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';
import type { Random } from '../../test/kit/random.js';
import { changed, VOLUME_BYTES, type Content } from './content.js';

/** A machine as its hypervisor has it. */
export class SimMachine {
  readonly uuid: string;
  readonly volumes: number;
  /** As its hypervisor calls it. */
  hostName: string;
  host: string;
  content: Content = new Map();
  /** What its disks held at checkpoints that the tracker still knows. */
  readonly checkpoints = new Map<string, Content>();
  readonly #random: Random;
  #lastCheckpoint = 0;

  constructor(number: number, host: string, random: Random) {
    this.uuid = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    this.hostName = `vm${number}`;
    this.host = host;
    this.#random = random;
    this.volumes = random.chance(0.2) ? 2 : 1;
    this.content = changed(this.content, random, this.volumes, random.between(3, 12));
  }

  /** Stop it for a moment. @returns the name of the checkpoint */
  checkpoint(): string {
    const random = this.#random;
    if (random.chance(0.8)) this.content = changed(this.content, random, this.volumes, random.between(1, 3));
    this.#lastCheckpoint += 1;
    const id = `c${this.#lastCheckpoint}x${this.uuid.slice(-6)}`;
    this.checkpoints.set(id, this.content);
    return id;
  }

  /** The server has this checkpoint: what was before it is not needed any more. */
  acknowledged(id: string): void {
    for (const other of this.checkpoints.keys()) if (other !== id) this.checkpoints.delete(other);
  }

  get discovered(): DiscoveredMachine {
    return {
      name: this.hostName,
      uuid: this.uuid,
      source: 'libvirt',
      state: 'running',
      volumes: Array.from({ length: this.volumes }, (_, index) => ({
        name: volumeName(index),
        path: `/images/${this.uuid}-${index}`,
        format: 'qcow2',
        sizeBytes: VOLUME_BYTES,
        backing: [],
      })),
      skipped: [],
      configPaths: [],
    };
  }
}

export function volumeName(index: number): string {
  return `vd${String.fromCharCode(97 + index)}`;
}
