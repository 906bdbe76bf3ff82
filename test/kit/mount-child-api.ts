import type { MountInfo } from '../../src/protocol/server-api.js';
import type { FakeShadowCopy } from './fake-source.js';

/** What a test asks of the process that serves mounts (mount-child.ts). */
export interface MountChildApi {
  /** First of all. */
  openMounts(options: { store: string; kernelCacheSeconds?: number }): Promise<void>;
  mount(request: { mountPoint: string; machine?: string; version?: string; allowOther?: boolean }): Promise<MountInfo>;
  unmount(mountPoint: string): Promise<void>;
  list(): Promise<readonly MountInfo[]>;
  close(): Promise<void>;
  /** Adds a shadow copy to the fake source; returns its name. */
  add(machine: string, timeMs: number, parts?: Partial<Omit<FakeShadowCopy, 'summary'>>): Promise<string>;
  /** Adds `count` shadow copies, a minute apart, each with a volume `vda` of 1 GB. */
  addMany(machine: string, count: number): Promise<void>;
  forget(machine: string, name: string): Promise<void>;
  state(): Promise<MountChildState>;
  /** How long it takes to open a shadow copy from now on. */
  setOpenDelay(ms: number): Promise<void>;
  /** Start a program that outlives this process; returns its process id. */
  startSleeper(): Promise<number>;
}

export interface MountChildState {
  /** How often a shadow copy was opened. */
  readonly opens: number;
  readonly openReaders: number;
  /** Threads of FUSE that are known. */
  readonly threads: number | undefined;
  /** Handles of the event loop of the kind that fuse-native makes for each thread. */
  readonly asyncHandles: number;
  /** Mount points whose `ended` resolved, in order. */
  readonly ended: readonly string[];
  readonly logLines: readonly {
    readonly level: string;
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
}

export interface MountChildCall {
  readonly id: number;
  readonly method: keyof MountChildApi;
  readonly args: readonly unknown[];
}

export interface MountChildReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}
