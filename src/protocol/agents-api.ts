import type { Consistency, ImageFormat, WireError } from './api.js';

/** What crosses the server's wire, and what `--json` prints, about agents and the machines that they find. */

/** How an agent knows what changed in a volume. */
export type TrackerKind = 'qemu-bitmap' | 'filter' | 'differencing' | 'scan';

/**
 * Where an agent found a machine: asked libvirt, asked QEMU itself, read a configuration file, took images of a directory, or runs
 * in it.
 */
export type DiscoverySource = 'libvirt' | 'qmp' | 'config-file' | 'directory' | 'guest';

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
  /** The files of its disks are stored as they lie, each as a volume of its own. */
  readonly asIs?: boolean;
}

/** What an agent says it sees, all of it, whenever something is different. */
export interface DiscoveryReport {
  readonly machines: readonly DiscoveredMachine[];
  /** Why something could not be looked at. */
  readonly notes: readonly string[];
}

/** The newest shadow copy of a machine, or its replica if that is newer, as its agent has to know it. */
export interface BaseInfo {
  readonly shadowCopy: string;
  /** The tracker's name for its checkpoint; absent if no agent made it. */
  readonly checkpoint?: string;
  /** `root` is the root digest of the volume's tree, in hex. */
  readonly volumes: readonly { readonly name: string; readonly sizeBytes: number; readonly root: string }[];
}

/** What the server wants of an agent. */
export type AgentTask =
  | { readonly kind: 'backup'; readonly id: string; readonly machine: ProtectedMachine; readonly base?: BaseInfo }
  | { readonly kind: 'forget'; readonly id: string; readonly machine: ProtectedMachine }
  | { readonly kind: 'discover'; readonly id: string };

/** What an agent keeps to. */
export interface AgentLimits {
  /** Of all the backups that it sends, together; without it they go as fast as they can. */
  readonly bytesPerSecond?: number;
}

/** A line of the stream in which an agent is told what to do; an empty one comes now and then. */
export interface AgentTaskLine {
  /** What holds from now on, instead of what was said before. */
  readonly limits?: AgentLimits;
  readonly task?: AgentTask;
  /** A task that is not wanted any more. */
  readonly cancel?: string;
}

/** How a task ended. */
export interface TaskOutcome {
  readonly id: string;
  readonly result?: AgentBackupResult;
  readonly error?: WireError;
}

/** A shadow copy that an agent has made. */
export interface AgentBackupResult {
  readonly shadowCopy: string;
  readonly tracker: TrackerKind;
  /** Why not a better one. */
  readonly trackerReason?: string;
  readonly consistency: Consistency;
  readonly pauseMs: number;
  /** Read from the volumes, and sent of them. */
  readonly readBytes: number;
  readonly sentBytes: number;
  readonly notes: readonly string[];
}

export interface ProtectRequest {
  /** As the agent's host calls it, or its UUID. */
  readonly machine: string;
  /** Needed where several hosts have a machine of that name. */
  readonly host?: string;
  /** Its name in the store, if not the same. */
  readonly as?: string;
  readonly volumes?: readonly string[];
  readonly tracker?: TrackerChoice;
  /** Store the files of its disks as they lie; only with the tracker `differencing`, which `auto` then means. */
  readonly asIs?: boolean;
}

export interface UnprotectRequest {
  /** Its name in the store. */
  readonly machine: string;
}

/** What becomes of what an agent keeps of a machine that it no longer protects: bitmaps, overlays. */
export interface LettingGo {
  /**
   * `done`: it is gone; `working`: the agent is at it; `failed`: the agent tries again when it connects anew, and when it is asked to;
   * `unreachable`: the agent is not connected, and does it when it is back.
   */
  readonly agent: 'done' | 'working' | 'failed' | 'unreachable';
  /** What is left, why, and what to do: where the agent failed. */
  readonly left?: WireError;
}

/** A machine as it was protected. */
export interface UnprotectAnswer extends ProtectedMachine, LettingGo {
  /** What its replica has become. */
  readonly shadowCopy?: string;
}

/** A machine that is discovered, protected, or both, or that something of ours is left in. */
export interface MachineInfo {
  /** Its name in the store; absent if it is not protected. */
  readonly machine?: string;
  readonly host: string;
  /** As its host calls it. */
  readonly hostName: string;
  readonly uuid?: string;
  /** False if its agent is not connected: then it is not known what has become of it. */
  readonly isConnected: boolean;
  /** Absent if no agent sees it. */
  readonly discovered?: DiscoveredMachine;
  readonly tracker?: TrackerChoice;
  readonly asIs?: boolean;
  readonly volumes?: readonly string[];
  /** Its newest shadow copy. */
  readonly latest?: string;
  /** How that was made; only of a machine that was asked for. */
  readonly made?: MadeInfo;
  /** Under which name it was protected, where something is left since then. */
  readonly lettingGo?: LettingGo & { readonly machine: string };
}

/** How a shadow copy was made. */
export interface MadeInfo {
  readonly tracker: string;
  readonly consistency: Consistency;
  readonly pauseMs: number;
  /** What was not as wanted, and why; why no better tracker made it. */
  readonly notes: readonly string[];
}

export interface MachinesRequest {
  /** Have the agents look again first. */
  readonly discover: boolean;
  /** Only this one, by its name in the store or on its host, or its UUID; then it is said how its newest shadow copy was made. */
  readonly machine?: string;
}

export interface MachinesResult {
  readonly machines: readonly MachineInfo[];
  /** What agents could not look at. */
  readonly notes: readonly { readonly host: string; readonly note: string }[];
}

export interface AgentBackupRequest {
  readonly machine: string;
}

export interface AgentBackupAnswer extends AgentBackupResult {
  readonly machine: string;
  readonly host: string;
  readonly seconds: number;
}
