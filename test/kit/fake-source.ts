import { closeSync, openSync, readSync } from 'node:fs';
import type { Eventually } from '../../src/common/eventually.js';
import { UmbraError } from '../../src/common/errors.js';
import { shadowCopyName } from '../../src/common/names.js';
import type { ShadowCopySource, ShadowCopySummary, ShadowCopyView, VolumeReader } from '../../mount/source.js';

/** A volume of the fake: its bytes are {@link patternBytes} of its seed, or damage. */
export interface FakeVolume {
  readonly name: string;
  readonly sizeBytes: number;
  readonly seed: number;
  /** Reads that touch a byte from here on fail with STORE_DAMAGED. */
  readonly damagedFrom?: number;
  /** Its content, instead of the pattern: these bytes, or those of a file. */
  readonly bytes?: Uint8Array;
  readonly path?: string;
}

export interface FakeShadowCopy {
  readonly summary: ShadowCopySummary;
  readonly config: readonly { readonly name: string; readonly data: Uint8Array }[];
  readonly volumes: readonly FakeVolume[];
}

const PATTERN_BYTES = 1024 * 1024;
const patterns = new Map<number, Uint8Array>();

/** The bytes of a fake volume: a pseudo-random MiB over and over. */
export function patternBytes(seed: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  copyPattern(seed, bytes, offset);
  return bytes;
}

function copyPattern(seed: number, target: Uint8Array, offset: number): void {
  const pattern = patternOf(seed);
  for (let done = 0; done < target.length;) {
    const at = (offset + done) % PATTERN_BYTES;
    const part = pattern.subarray(at, Math.min(PATTERN_BYTES, at + target.length - done));
    target.set(part, done);
    done += part.length;
  }
}

function patternOf(seed: number): Uint8Array {
  let pattern = patterns.get(seed);
  if (pattern === undefined) {
    const words = new Uint32Array(PATTERN_BYTES / 4);
    let state = (seed * 2654435761 + 1) >>> 0;
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state >>> 0;
    }
    pattern = new Uint8Array(words.buffer);
    patterns.set(seed, pattern);
  }
  return pattern;
}

/** A source in memory that counts what is asked of it and can be changed at any time. */
export class FakeSource implements ShadowCopySource {
  /** How often a shadow copy was opened. */
  opens = 0;
  /** Volume readers that are open now. */
  openReaders = 0;
  /** How often a volume was looked into. */
  looks = 0;
  /** What readers were told is going to be read: offset and length. */
  readonly announced: [number, number][] = [];
  /** Who keeps shadow copies from being forgotten. */
  readonly holders = new Set<string>();
  /** Set to have the lists of shadow copies at once, as a store in this process has them. */
  isAtOnce = false;
  /** How long `open` takes. */
  openDelayMs = 0;
  /** Set to make every `open` fail. */
  openError: UmbraError | undefined;
  readonly #machines = new Map<string, Map<string, FakeShadowCopy>>();
  readonly #summaries = new Map<string, readonly ShadowCopySummary[]>();

  /** Adds a shadow copy, the machine's latest; returns its name. */
  add(machine: string, timeMs: number, parts: Partial<Omit<FakeShadowCopy, 'summary'>> = {}): string {
    const copies = this.#machines.get(machine) ?? new Map<string, FakeShadowCopy>();
    let attempt = 1;
    while (copies.has(shadowCopyName(timeMs, attempt))) attempt++;
    const summary = { name: shadowCopyName(timeMs, attempt), timeMs };
    copies.set(summary.name, { config: [], volumes: [], ...parts, summary });
    this.#machines.set(machine, copies);
    this.#summaries.delete(machine);
    return summary.name;
  }

  forget(machine: string, name: string): void {
    const copies = this.#machines.get(machine);
    copies?.delete(name);
    if (copies?.size === 0) this.#machines.delete(machine);
    this.#summaries.delete(machine);
  }

  machines(): Promise<readonly string[]> {
    return Promise.resolve([...this.#machines.keys()].sort());
  }

  shadowCopies(machine: string): Eventually<readonly ShadowCopySummary[]> {
    let summaries = this.#summaries.get(machine);
    if (summaries === undefined) {
      summaries = [...(this.#machines.get(machine)?.values() ?? [])].map(({ summary }) => summary);
      this.#summaries.set(machine, summaries);
    }
    return this.isAtOnce ? summaries : Promise.resolve(summaries);
  }

  async open(machine: string, name: string): Promise<ShadowCopyView> {
    this.opens++;
    if (this.openDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.openDelayMs));
    if (this.openError !== undefined) throw this.openError;
    const copy = this.#machines.get(machine)?.get(name);
    if (copy === undefined) throw new UmbraError('NOT_FOUND', `no shadow copy ${machine}@${name}`);
    return this.#view(machine, copy);
  }

  #view(machine: string, { summary, config, volumes }: FakeShadowCopy): ShadowCopyView {
    const gone = new UmbraError('NOT_FOUND', `${machine}@${summary.name} was deleted`);
    const open = (name: string): Promise<VolumeReader> => {
      const volume = volumes.find((candidate) => candidate.name === name);
      if (volume === undefined) return Promise.reject(new UmbraError('NOT_FOUND', `no volume ${name}`));
      if (this.#machines.get(machine)?.get(summary.name) === undefined) return Promise.reject(gone);
      return Promise.resolve(this.#reader(volume));
    };
    return {
      timeMs: summary.timeMs,
      about: { machine, shadowCopy: summary.name, consistency: 'offline' },
      config,
      volumes: volumes.map(({ name, sizeBytes }) => ({ name, sizeBytes, dataBytes: Math.floor(sizeBytes / 2) })),
      openVolume: (name) => open(name),
      lookInto: (name) => {
        this.looks++;
        return open(name);
      },
      keep: (holder) => {
        if (this.#machines.get(machine)?.get(summary.name) === undefined) return Promise.reject(gone);
        this.holders.add(holder);
        return Promise.resolve(() => {
          this.holders.delete(holder);
        });
      },
    };
  }

  #reader({ name, sizeBytes, seed, damagedFrom = Infinity, bytes, path }: FakeVolume): VolumeReader {
    let isOpen = true;
    const fd = path === undefined ? undefined : openSync(path, 'r');
    this.openReaders++;
    return {
      sizeBytes,
      read: (target, offset) => {
        const length = Math.max(0, Math.min(target.length, sizeBytes - offset));
        if (length > 0 && offset + length > damagedFrom) {
          return Promise.reject(new UmbraError('STORE_DAMAGED', `chunk c0ffee of volume ${name} is damaged`));
        }
        if (fd !== undefined) return readSync(fd, target, 0, length, offset);
        if (bytes === undefined) copyPattern(seed, target.subarray(0, length), offset);
        else target.set(bytes.subarray(offset, offset + length));
        return Promise.resolve(length);
      },
      willRead: (offset, length) => {
        this.announced.push([offset, length]);
      },
      close: () => {
        if (isOpen) this.openReaders--;
        if (isOpen && fd !== undefined) closeSync(fd);
        isOpen = false;
        return Promise.resolve();
      },
    };
  }
}
