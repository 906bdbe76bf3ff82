import t, { type Test } from 'tap';
import { Batches } from '../../../src/files/batches.js';
import { FileRuns } from '../../../src/files/file-runs.js';
import type { DeviceVersion } from '../../../src/files/timeline.js';
import type { FoundFile } from '../../../src/protocol/files-api.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';
import { FilesLab } from '../../kit/files-lab.js';
import { openGuest } from '../../kit/opened-guest.js';

/** The files of a device in one shadow copy, followed. */
class Followed {
  readonly runs: FileRuns;
  readonly files: FoundFile[] = [];
  readonly errors: string[] = [];
  readonly #found: Batches<FoundFile>;
  readonly #current: DeviceVersion;

  static async begin(t: Test, filesystem: MemoryFilesystem, maxBytes?: number): Promise<Followed> {
    const lab = await FilesLab.open(t);
    const name = await lab.backUp(Buffer.alloc(4 * 1024 * 1024, 1));
    const version = await openGuest(lab, name, filesystem);
    t.teardown(() => version.close());
    const current = { version, filesystem, footprint: version.attributeTo('vda') };
    const followed = new Followed(lab, current, maxBytes);
    followed.begin();
    return followed;
  }

  private constructor(lab: FilesLab, current: DeviceVersion, maxBytes: number | undefined) {
    this.#current = current;
    this.#found = new Batches((items) => Promise.resolve(void this.files.push(...items)));
    this.runs = new FileRuns({
      verdicts: lab.verdicts,
      signal: lab.job.signal,
      found: this.#found,
      onError: (_, path) => this.errors.push(path),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    });
  }

  /** It is opened, once more; nothing is known of it before. */
  begin(): void {
    const { listing } = this.#current.version;
    const step = { listing, device: 'vda', state: 'opened', current: this.#current } as const;
    this.runs.begin({ ...step, previous: undefined, changes: undefined });
  }

  async end(): Promise<void> {
    await this.runs.absent();
    await this.#found.flush();
  }
}

t.test('more files than there is room for are an error that says what to do', async (t) => {
  const filesystem = new MemoryFilesystem({ 1: directory({}), 2: inlineFile('x') });
  const { runs } = await Followed.begin(t, filesystem, 64 * 1024);
  const seeAll = async (): Promise<void> => {
    for (let index = 0; index < 1_000; index++) await runs.see(`/vda/${index}`, 2, undefined);
  };
  await t.rejects(seeAll(), { code: 'BAD_ARGUMENT', hint: /\d+ were too many.*--in/ });
});

t.test('what a file is like is asked when its version has ended', async (t) => {
  const files = { 1: directory({}), 2: inlineFile('x'), 3: { type: 'symlink', target: 'x' } as const };
  const filesystem = new MemoryFilesystem(files);
  const followed = await Followed.begin(t, filesystem);
  await followed.runs.see('/vda/x', 2, undefined);
  await followed.runs.see('/vda/link', 3, undefined);
  filesystem.damage(2);
  await followed.end();
  t.match(followed.files, [{ path: '/vda/link', stat: { target: 'x' }, shadowCopies: 1 }]);
  t.same(followed.errors, ['/vda/x']);
});

t.test('what ended in a file system that cannot be opened again is named', async (t) => {
  const filesystem = new MemoryFilesystem({ 1: directory({}), 2: inlineFile('x') });
  const followed = await Followed.begin(t, filesystem);
  await followed.runs.see('/vda/x', 2, undefined);
  await followed.runs.end();
  followed.begin();
  await followed.runs.see('/vda/x', 2, undefined);
  await followed.runs.end();
  t.same(followed.errors, ['/vda/x']);
  await followed.end();
  t.match(followed.files, [{ path: '/vda/x', shadowCopies: 1 }]);
});

t.test('before anything was opened there is nothing to follow', async (t) => {
  const lab = await FilesLab.open(t);
  const found = new Batches<FoundFile>(() => Promise.resolve());
  const onError = (): void => undefined;
  const runs = new FileRuns({ verdicts: lab.verdicts, signal: lab.job.signal, found, onError });
  await runs.see('/vda/x', 2, undefined);
  runs.same('a');
  await runs.absent();
  t.equal(found.count, 0);
});
