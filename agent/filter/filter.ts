import { chmod, mkdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../../src/common/clock.js';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import { isDeadMount, requireFusermount, unmountPath } from '../../src/system/fuse/unmount.js';
import { readMounts } from '../../src/system/mounts.js';
import { findOpeners } from '../../src/system/open-files.js';
import { Checkpoints } from './checkpoints.js';
import { ControlServer } from './control/control-server.js';
import { controlSocket } from './control/socket-path.js';
import { FilteredFiles } from './filtered-files.js';
import { FILTER_MOUNT_TYPE, mountFilter, type FilterMount } from './fuse.js';
import { Gate } from './gate.js';
import { ChangeLog } from './log/change-log.js';
import type { FilePrint } from './log/trust.js';
import { LowerDirectory } from './lower-directory.js';
import { Operations } from './operations.js';
import { keyOf } from './tracked-files.js';

export interface FilterOptions {
  /** Absolute; the filter is mounted over it. */
  readonly directory: string;
  /** Absolute; the change log, the side files and the control socket are kept here. Made if it is not there. */
  readonly state: string;
  /** How much each view may keep of what is overwritten while it is read. */
  readonly sideBytes: number;
  readonly allowOther: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const BEAT_MS = 1000;
const LOOK_MS = 100;
const UNMOUNT_MS = 500;
const NS_PER_MS = 1_000_000n;
/** While the mount ends, no write takes longer. */
const END_HOLD_MS = 60_000;

/** A running filter: a file system over a directory of images, its change log, and what agents ask of it. */
export class Filter {
  /** Resolves when it was unmounted, by whomever, and everything is closed. */
  readonly ended: Promise<void>;
  readonly #options: FilterOptions;
  readonly #parts: Parts;
  #beating: (() => void) | undefined;
  #unmounting = false;

  private constructor(options: FilterOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#beat();
    this.ended = this.#untilEnd();
  }

  /** @throws {UmbraError} MOUNT_POINT, MOUNT_FAILED, IMAGE_IN_USE, TRACKER_FAILED, PROGRAM_MISSING */
  static async start(options: FilterOptions): Promise<Filter> {
    await requireFusermount();
    await refuseMounted(await placeOf(options.directory), options.log);
    await mkdir(options.state, { recursive: true });
    await chmod(options.state, 0o700);
    const lower = await LowerDirectory.open(options.directory);
    try {
      await refuseInside(lower.path, options.state);
      const found = await lower.files();
      await refuseWriters(lower.path, [...found.keys()]);
      return new Filter(options, await startParts(options, lower, await printsOf(lower)));
    } catch (error) {
      await lower.close();
      throw error;
    }
  }

  /** Take the mount away as soon as no program uses it: a machine that runs is not cut off from its disks. */
  unmountWhenFree(): void {
    if (this.#unmounting) return;
    this.#unmounting = true;
    void this.#unmount();
  }

  async #unmount(): Promise<void> {
    const { log } = this.#options;
    for (let tries = 0; !this.#parts.mount.isOver(); tries++) {
      try {
        await unmountPath(this.#parts.lower.path, { lazy: false });
        return;
      } catch (error) {
        if (tries === 0) log.warn('filter: it ends when it is not used any more', { reason: messageOf(error) });
      }
      await new Promise((resolve) => setTimeout(resolve, UNMOUNT_MS));
    }
  }

  #beat(): void {
    this.#beating = this.#options.clock.after(BEAT_MS, () => {
      this.#parts.changes
        .beat()
        .catch((error: unknown) => {
          this.#options.log.warn('filter: no sign of life could be written', { reason: messageOf(error) });
        })
        .finally(() => {
          if (this.#beating !== undefined) this.#beat();
        });
    });
  }

  async #untilEnd(): Promise<void> {
    const { mount, control, operations, checkpoints, gate, changes, lower } = this.#parts;
    while (!mount.isOver()) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    this.#beating?.();
    this.#beating = undefined;
    await control.close();
    await operations.closeAll();
    for (const view of checkpoints.views()) await checkpoints.end(view);
    await gate.hold(END_HOLD_MS, async () => {
      await syncFiles(lower);
      await changes.close(await printsOf(lower));
    });
    await mount.finish();
    await lower.close();
    this.#options.log.info('filter: ended', { directory: lower.path });
  }
}

interface Parts {
  readonly lower: LowerDirectory;
  readonly changes: ChangeLog;
  readonly gate: Gate;
  readonly checkpoints: Checkpoints;
  readonly operations: Operations;
  readonly control: ControlServer;
  readonly mount: FilterMount;
}

async function startParts(
  options: FilterOptions,
  lower: LowerDirectory,
  files: ReadonlyMap<string, FilePrint>,
): Promise<Parts> {
  const { clock, log, state, sideBytes } = options;
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const changes = await ChangeLog.open({ directory: state, root: lower.key, boot, files, clock, log });
  const gate = new Gate();
  const filtered = new FilteredFiles({ lower, log: changes, gate });
  const checkpoints = new Checkpoints({
    lower,
    files: filtered,
    log: changes,
    gate,
    sideDirectory: state,
    sideBytes,
    clock,
    messages: log,
  });
  const operations = new Operations({ lower, files: filtered, view: (token) => checkpoints.view(token) });
  const mount = await mountFilter({ operations, mountPoint: lower.path, allowOther: options.allowOther, log });
  const control = await ControlServer.listen({
    socketPath: controlSocket(state),
    checkpoints,
    directory: lower.path,
    lost: changes.lost,
    groups: () => changes.groups(),
    log,
  });
  return { lower, changes, gate, checkpoints, operations, control, mount };
}

/** A dead mount answers nothing, so what it covers is named by what is above it. */
async function placeOf(directory: string): Promise<string> {
  return join(await realpath(dirname(directory)).catch(() => dirname(directory)), basename(directory));
}

/** What a killed filter left is taken away; what lives is left alone. */
async function refuseMounted(directory: string, log: Log): Promise<void> {
  const mounts = (await readMounts()).filter((entry) => entry.type === FILTER_MOUNT_TYPE);
  for (const { mountPoint } of mounts.filter((entry) => entry.mountPoint === directory)) {
    if (!(await isDeadMount(mountPoint))) {
      throw new UmbraError('MOUNT_POINT', `a filter is mounted over ${directory} already`);
    }
    await unmountPath(mountPoint, { lazy: true });
    log.info('filter: took away a dead mount', { directory });
  }
}

/** Who writes its own log through itself waits for itself. */
async function refuseInside(directory: string, state: string): Promise<void> {
  const path = await realpath(state);
  if (path !== directory && !path.startsWith(`${directory}/`)) return;
  throw new UmbraError('MOUNT_POINT', `the state directory ${state} lies in the filtered directory`, {
    hint: 'Use a directory outside of it.',
  });
}

/** Who has a file open already writes beside the filter. */
async function refuseWriters(directory: string, paths: readonly string[]): Promise<void> {
  const openers = await findOpeners(...paths.map((path) => directory + path));
  const writer = openers.find((opener) => opener.writable);
  if (writer === undefined) return;
  throw new UmbraError('IMAGE_IN_USE', `${writer.path} is open for writing in ${writer.name} (process ${writer.pid})`, {
    hint: 'Shut the machine down, start the filter, and start the machine again: what is open already is not seen.',
  });
}

async function printsOf(lower: LowerDirectory): Promise<ReadonlyMap<string, FilePrint>> {
  const prints = new Map<string, FilePrint>();
  for (const stats of (await lower.files()).values()) {
    const { size, mtimeNs, ctimeNs } = stats;
    prints.set(keyOf(stats), { print: `${size} ${mtimeNs} ${ctimeNs}`, ctimeMs: Number(ctimeNs / NS_PER_MS) });
  }
  return prints;
}

/** So that what the log says at its clean end is true after a power cut as well. */
async function syncFiles(lower: LowerDirectory): Promise<void> {
  for (const path of (await lower.files()).keys()) await lower.syncFile(path);
}
