import { messageOf } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import type {
  FileChange,
  FileHistoryRequest,
  FileHistoryResult,
  FileVersion,
  GuestFileStat,
} from '../protocol/files-api.js';
import { sameContent, type FileSide } from './compare-content.js';
import { metadataDifferences } from './compare-stat.js';
import { coverContent } from './cover-content.js';
import { isDamage, isRealDamage, type UnreadDevice } from './damage.js';
import { devicePath, isByLink } from './device-path.js';
import { locateFile, locateFileIfThere, type FileLocation } from './file-location.js';
import { withVersion, type FilesContext } from './opened-version.js';
import { statInfoOf } from './stat-info.js';
import { Timeline, type DeviceVersion, type TimelineStep } from './timeline.js';

export interface HistoryOptions {
  readonly context: FilesContext;
  readonly request: FileHistoryRequest;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** What is known of the file at one point in time. */
type Look =
  | {
      readonly state: 'present';
      readonly file: FileLocation;
      readonly info: GuestFileStat;
      readonly opened: DeviceVersion;
    }
  | { readonly state: 'absent' }
  | ({ readonly state: 'unreadable' } & UnreadDevice);

type Unseen = Extract<TimelineStep, { state: 'absent' | 'unreadable' }>;

interface Run {
  readonly version: Omit<FileVersion, 'shadowCopies'>;
  readonly shadowCopies: string[];
}

/**
 * The distinct versions of a file in all shadow copies of a machine. Two that follow one another are one version if
 * content and metadata are the same, times of access and of change left out.
 *
 * @throws {UmbraError} NOT_FOUND if no shadow copy has or had it, STORE_FAILED, CANCELLED
 */
export async function fileHistory(options: HistoryOptions): Promise<FileHistoryResult> {
  const { context, request, signal, progress } = options;
  const { machine } = request;
  const start = context.clock.monotonic();
  // That the machine is there is asked first.
  const { name: latest } = context.store.catalog.find(machine, 'latest');
  const path = await ownPath(context, request, latest);
  const listings = context.store.catalog.shadowCopies(machine);
  const device = path.split('/')[1] ?? '';
  const timeline = new Timeline(context, { machine, device, what: `the history of ${path}`, signal });
  const history = new History({ ...options, request: { machine, path } });
  let done = 0;
  try {
    for await (const step of timeline.steps(listings)) {
      await history.take(step);
      progress({ what: `looking at ${step.listing.name} (${++done} of ${listings.length})`, doneBytes: 0 });
    }
  } finally {
    await timeline.close();
  }
  if (!history.isFound) {
    // Who looks for it in the latest shadow copy is told what may have been meant.
    await withVersion(context, { machine, version: latest }, 'a look at a file', async ({ files, title }) => {
      await locateFile(files, path, { title });
    });
  }
  const seconds = (context.clock.monotonic() - start) / 1000;
  return { machine, path, versions: history.versions, comparedBytes: history.comparedBytes, seconds };
}

/** The path by the device's own name; what is called so by label or UUID now is what is meant in all shadow copies. */
async function ownPath(context: FilesContext, { machine, path }: FileHistoryRequest, latest: string): Promise<string> {
  if (!isByLink(path)) return path;
  return await withVersion(context, { machine, version: latest }, 'a look at a file', ({ files, title }) =>
    devicePath(files, path, title),
  );
}

class History {
  comparedBytes = 0;
  readonly #options: HistoryOptions;
  readonly #runs: Run[] = [];
  /** What was seen when the device was last opened, and the run that this belongs to. */
  #seen: { readonly look: Look; run: Run } | undefined;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  get versions(): readonly FileVersion[] {
    return this.#runs.map(({ version, shadowCopies }) => ({ ...version, shadowCopies }));
  }

  /** False if there never was such a file, as far as is known, and the last shadow copy tells why. */
  get isFound(): boolean {
    const versions = this.#runs.map(({ version }) => version);
    if (versions.some(({ state, isDamaged }) => state === 'present' || isDamaged === true)) return true;
    return versions.at(-1)?.state === 'absent' && versions.some(({ state }) => state === 'unreadable');
  }

  async take(step: TimelineStep): Promise<void> {
    const last = this.#runs.at(-1);
    if (step.state === 'same') this.#seenAgain(step.listing.name);
    else if (step.state === 'opened') {
      const look = await this.#look(step.current);
      const change = await this.#change(look, step);
      const run = change === undefined && last !== undefined ? last : this.#begin(look, change ?? 'first');
      run.shadowCopies.push(step.listing.name);
      this.#seen = { look, run };
    } else {
      const isMore = last?.version.state === step.state && last.version.reason === reasonOf(step);
      const change = last === undefined ? 'first' : step.state === 'absent' ? 'removed' : 'unreadable';
      (isMore ? last : this.#begin(step, change)).shadowCopies.push(step.listing.name);
    }
  }

  /** The device is as when it was last opened, whatever came between. */
  #seenAgain(shadowCopy: string): void {
    const seen = this.#seen;
    if (seen === undefined) return;
    if (this.#runs.at(-1) !== seen.run) {
      seen.run = { version: { ...seen.run.version, change: 'unchanged' }, shadowCopies: [] };
      this.#runs.push(seen.run);
    }
    seen.run.shadowCopies.push(shadowCopy);
  }

  #begin(look: Look | Unseen, change: FileChange): Run {
    const run: Run = { version: versionOf(look, change), shadowCopies: [] };
    this.#runs.push(run);
    return run;
  }

  async #look(opened: DeviceVersion): Promise<Look> {
    try {
      const file = await locateFileIfThere(opened.version.files, this.#options.request.path);
      if (file === undefined) return { state: 'absent' };
      if (file.stat.type === 'file') await coverContent(opened, file.id);
      const info = await statInfoOf(file.filesystem, file.id, file.stat);
      return { state: 'present', file, info, opened };
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { state: 'unreadable', reason: messageOf(error), isDamaged: isRealDamage(error) };
    }
  }

  /** What is new since the shadow copy before; undefined if nothing is. */
  async #change(look: Look, step: Extract<TimelineStep, { state: 'opened' }>): Promise<FileChange | undefined> {
    const last = this.#runs.at(-1)?.version;
    if (last === undefined) return 'first';
    if (look.state === 'absent') return last.state === 'absent' ? undefined : 'removed';
    if (look.state === 'unreadable') return last.reason === look.reason ? undefined : 'unreadable';
    if (last.state === 'absent') return 'appeared';
    const seen = this.#seen?.look;
    if (seen?.state !== 'present' || seen.opened.version !== step.previous?.version) return 'unknown';
    const change = await this.#changeOf(seen, look, step);
    return change ?? (last.state === 'unreadable' ? 'unchanged' : undefined);
  }

  async #changeOf(
    before: Extract<Look, { state: 'present' }>,
    after: Extract<Look, { state: 'present' }>,
    { changes }: Extract<TimelineStep, { state: 'opened' }>,
  ): Promise<FileChange | undefined> {
    try {
      const differences = await metadataDifferences(before.file, after.file);
      if (differences.includes('type')) return 'replaced';
      if (differences.includes('target') || differences.includes('device')) return 'content';
      if (await this.#contentDiffers(before, after, changes)) return 'content';
      return differences.length > 0 ? 'metadata' : undefined;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return 'unknown';
    }
  }

  async #contentDiffers(
    before: Extract<Look, { state: 'present' }>,
    after: Extract<Look, { state: 'present' }>,
    changes: Extract<TimelineStep, { state: 'opened' }>['changes'],
  ): Promise<boolean> {
    if (after.file.stat.type !== 'file') return false;
    if (before.file.stat.sizeBytes !== after.file.stat.sizeBytes) return true;
    const { context, signal } = this.#options;
    return !(await sameContent(sideOf(before), sideOf(after), {
      ...(changes === undefined ? {} : { changes }),
      verdicts: context.verdicts,
      signal,
      onRead: (bytes) => {
        this.comparedBytes += bytes;
      },
    }));
  }
}

function sideOf({ file, opened }: Extract<Look, { state: 'present' }>): FileSide {
  return { filesystem: file.filesystem, id: file.id, layout: opened.version.layout };
}

function reasonOf(step: { readonly state: string; readonly reason?: string }): string | undefined {
  return step.reason;
}

function versionOf(look: Look | Unseen, change: FileChange): Run['version'] {
  if (look.state === 'absent') return { state: 'absent', change };
  if (look.state === 'unreadable')
    return { state: 'unreadable', change, reason: look.reason, isDamaged: look.isDamaged };
  return { state: 'present', change, stat: look.info };
}
