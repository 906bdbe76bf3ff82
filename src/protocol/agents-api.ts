import type { ImageFormat } from './api.js';

/** What crosses the server's wire, and what `--json` prints, about agents and the machines that they find. */

/** How an agent knows what changed in a volume. */
export type TrackerKind = 'qemu-bitmap' | 'filter' | 'differencing' | 'scan';

/** Where an agent found a machine: asked libvirt, asked QEMU itself, read a configuration file, or took images of a directory. */
export type DiscoverySource = 'libvirt' | 'qmp' | 'config-file' | 'directory';

export type MachineState = 'running' | 'paused' | 'off' | 'unknown';

/** A disk of a machine as its host has it. */
export interface DiscoveredVolume {
  /** As the volume is called in shadow copies: `vda`. Unique in the machine. */
  readonly name: string;
  /** Absolute path of the image's file or device. */
  readonly path: string;
  readonly format: ImageFormat;
  /** The virtual size; absent when nobody knows it without opening the image. */
  readonly sizeBytes?: number;
  /** The images behind it, the nearest first. */
  readonly backing: readonly string[];
}

/** A disk that can't be protected, and why, in plain words: a CD, a network disk, a device passed through. */
export interface SkippedVolume {
  readonly name: string;
  readonly reason: string;
}

/** A machine that an agent sees. */
export interface DiscoveredMachine {
  /** As its host calls it: 1 to 255 characters of any kind. */
  readonly name: string;
  readonly uuid?: string;
  readonly source: DiscoverySource;
  readonly state: MachineState;
  readonly volumes: readonly DiscoveredVolume[];
  readonly skipped: readonly SkippedVolume[];
  /** Configuration files on the host, absolute. */
  readonly configPaths: readonly string[];
}

/** Which tracker to use: `auto` takes the best that works. */
export type TrackerChoice = TrackerKind | 'auto';

/** A machine whose shadow copies an agent makes. */
export interface ProtectedMachine {
  /** Its name in the store. */
  readonly name: string;
  /** The host whose agent may add shadow copies to it. */
  readonly host: string;
  /** As its host calls it. */
  readonly hostName: string;
  readonly uuid?: string;
  /** Only these of its volumes; all of them without it. */
  readonly volumes?: readonly string[];
  readonly tracker: TrackerChoice;
}
