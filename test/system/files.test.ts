import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type {
  CopyFilesResult,
  DiffFilesResult,
  FileDifference,
  FileHistoryResult,
  FindFilesResult,
  FoundFile,
  ListedFile,
  ListFilesResult,
} from '../../src/protocol/files-api.js';
import { sfdisk } from '../kit/disk/partitioned.js';
import { temporaryDirectory } from '../kit/temporary.js';
import { errorOf, umbraAt, type Umbra } from '../kit/umbra-program.js';

const MIB = 1024 * 1024;
const START_MIB = { ext4: 1, xfs: 65, ntfs: 385, vfat: 401 } as const;
const SIZE_MIB = { ext4: 64, xfs: 320, ntfs: 16, vfat: 16 } as const;
type Kind = keyof typeof START_MIB;
/** The partitions in the order of the table. */
const PARTITIONS = { vda1: 'ext4', vda2: 'xfs', vda3: 'ntfs', vda4: 'vfat' } as const;

function run(program: string, ...options: string[]): void {
  execFileSync(program, options, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A disk with a partition of each kind, all with a file report.txt, made without mounting anything. */
class Disk {
  readonly path: string;
  readonly #directory: string;
  readonly #parts: Readonly<Record<Kind, string>>;

  constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, 'vda.raw');
    const part = (kind: Kind): string => join(directory, `${kind}.img`);
    this.#parts = { ext4: part('ext4'), xfs: part('xfs'), ntfs: part('ntfs'), vfat: part('vfat') };
    sparse(this.path, 418);
    const lines = (Object.keys(START_MIB) as Kind[]).map(
      (kind) => `start=${START_MIB[kind] * 2048}, size=${SIZE_MIB[kind] * 2048}`,
    );
    sfdisk(this.path, `label: gpt\n${lines.join('\n')}\n`);
    mkdirSync(join(directory, 'tree', 'etc'), { recursive: true });
    writeFileSync(join(directory, 'tree', 'etc', 'fstab'), 'unchanged\n');
    writeFileSync(join(directory, 'tree', 'large.bin'), Buffer.alloc(3 * MIB, 'umbra'));
    this.#make('first');
  }

  /** Another report in each partition; nothing else changes. */
  overwrite(text: string): void {
    const report = this.#report(text);
    const { ext4, xfs, ntfs, vfat } = this.#parts;
    execFileSync('debugfs', ['-w', '-f', '-', ext4], {
      input: `rm report.txt\nwrite ${report} report.txt\n`,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#makeXfs(xfs, report);
    run('ntfscp', '-q', ntfs, report, 'report.txt');
    run('mcopy', '-o', '-i', vfat, report, '::report.txt');
    this.#join();
  }

  #make(text: string): void {
    const report = this.#report(text);
    const { ext4, xfs, ntfs, vfat } = this.#parts;
    for (const kind of ['ext4', 'ntfs', 'vfat'] as const) sparse(this.#parts[kind], SIZE_MIB[kind]);
    writeFileSync(join(this.#directory, 'tree', 'report.txt'), text);
    run('mke2fs', '-q', '-t', 'ext4', '-L', 'root', '-d', join(this.#directory, 'tree'), ext4);
    this.#makeXfs(xfs, report);
    run('mkntfs', '-q', '-F', '-f', '-L', 'windows', ntfs);
    run('ntfscp', '-q', ntfs, report, 'report.txt');
    run('mkfs.vfat', '-n', 'EFI', vfat);
    run('mcopy', '-i', vfat, report, '::report.txt');
    this.#join();
  }

  #report(text: string): string {
    const path = join(this.#directory, 'report');
    writeFileSync(path, text);
    return path;
  }

  /** mkfs.xfs fills a new file system from a description. */
  #makeXfs(image: string, report: string): void {
    rmSync(image, { force: true });
    sparse(image, SIZE_MIB.xfs);
    const proto = join(this.#directory, 'proto');
    writeFileSync(proto, `/dummy\n0 0\nd--755 0 0\nreport.txt ---644 0 0 ${report}\n$\n`);
    run('mkfs.xfs', '-q', '-f', '-L', 'data', '-p', proto, image);
  }

  #join(): void {
    for (const [kind, part] of Object.entries(this.#parts) as [Kind, string][]) {
      run('dd', `if=${part}`, `of=${this.path}`, 'bs=1M', `seek=${START_MIB[kind]}`, 'conv=notrunc', 'status=none');
    }
  }
}

function sparse(path: string, sizeMib: number): void {
  writeFileSync(path, '');
  truncateSync(path, sizeMib * MIB);
}

interface Machine {
  readonly umbra: Umbra;
  readonly directory: string;
  readonly first: string;
  readonly second: string;
}

async function backedUpTwice(t: Test): Promise<Machine> {
  const directory = temporaryDirectory(t);
  const umbra = umbraAt(t, join(directory, 'store'));
  const disk = new Disk(directory);
  const { shadowCopy: first } = await umbra.backup('web1', disk.path);
  disk.overwrite('second version');
  await sleep(1100);
  const { shadowCopy: second } = await umbra.backup('web1', disk.path);
  return { umbra, directory, first, second };
}

type With<Name extends string, R, I> = R & Readonly<Record<Name, readonly I[]>>;

t.test('the files of a disk with four file systems, on the command line', async (t) => {
  const { umbra, directory, first, second } = await backedUpTwice(t);

  await t.test('ls', async (t) => {
    const { filesystems } = (await umbra.result('ls', 'web1')) as ListFilesResult;
    const found = filesystems?.map((one) => [one.name, 'type' in one ? one.type : '', 'label' in one ? one.label : '']);
    t.same(found, [
      ['vda1', 'ext4', 'root'],
      ['vda2', 'xfs', 'data'],
      ['vda3', 'ntfs', 'windows'],
      ['vda4', 'vfat', 'EFI'],
    ]);
    const listed = (await umbra.result('ls', 'web1:/vda1', '-l')) as With<'entries', ListFilesResult, ListedFile>;
    t.same(listed.entries.map(({ name, type }) => `${name} ${String(type)}`).sort(), [
      'etc directory',
      'large.bin file',
      'lost+found directory',
      'report.txt file',
    ]);
  });

  await t.test('cat', async (t) => {
    for (const partition of Object.keys(PARTITIONS)) {
      for (const [version, text] of [[first, 'first'] as const, [second, 'second version'] as const]) {
        const answer = (await umbra.result('cat', `web1@${version}:/${partition}/report.txt`)) as { base64: string };
        t.equal(Buffer.from(answer.base64, 'base64').toString(), text, `${partition} in ${version}`);
      }
    }
    const missing = await umbra.run('cat', 'web1:/vda1/reprot.txt');
    t.equal(missing.code, 3);
    t.match(errorOf(missing), { code: 'NOT_FOUND' });
  });

  await t.test('cp', async (t) => {
    const target = join(directory, 'copy');
    const result = (await umbra.result('cp', '-r', `web1@${first}:/vda1`, target)) as CopyFilesResult;
    t.match(result, { files: 3, readProblems: 0, writeProblems: 0, metadataProblems: 0 });
    t.equal(readFileSync(join(target, 'report.txt'), 'utf8'), 'first');
    t.ok(readFileSync(join(target, 'large.bin')).equals(Buffer.alloc(3 * MIB, 'umbra')));
  });

  await t.test('history', async (t) => {
    for (const partition of Object.keys(PARTITIONS)) {
      const { versions } = (await umbra.result('history', `web1:/${partition}/report.txt`)) as FileHistoryResult;
      t.same(
        versions.map(({ change, shadowCopies }) => ({ change, shadowCopies })),
        [
          { change: 'first', shadowCopies: [first] },
          { change: 'content', shadowCopies: [second] },
        ],
        partition,
      );
    }
    const unchanged = (await umbra.result('history', 'web1:/vda1/large.bin')) as FileHistoryResult;
    t.same(
      unchanged.versions.map(({ shadowCopies }) => shadowCopies),
      [[first, second]],
    );
    t.ok(
      unchanged.comparedBytes < 300 * 1024,
      'only the chunks at its edges, which hold other things too, are compared',
    );
    const again = (await umbra.result('history', 'web1:/vda1/large.bin')) as FileHistoryResult;
    t.equal(again.comparedBytes, 0, 'which is remembered');
  });

  await t.test('find', async (t) => {
    const all = (await umbra.result('find', 'web1', 'report.*', '--all')) as With<'files', FindFilesResult, FoundFile>;
    t.equal(all.found, 8);
    t.same(new Set(all.files.map(({ path, first }) => `${path} ${first}`)).size, 8);
    const one = (await umbra.result('find', 'web1', '/vda1/**/fstab', '--all')) as With<
      'files',
      FindFilesResult,
      FoundFile
    >;
    t.match(one.files, [{ path: '/vda1/etc/fstab', first, last: second, shadowCopies: 2 }]);
  });

  await t.test('diff --files', async (t) => {
    const answer = (await umbra.result('diff', `web1@${first}`, `web1@${second}`, '--files')) as With<
      'files',
      DiffFilesResult,
      FileDifference
    >;
    t.equal(answer.changed, 4);
    t.same(
      answer.files.filter(({ change }) => change === 'changed').map(({ path }) => path),
      ['/vda1/report.txt', '/vda2/report.txt', '/vda3/report.txt', '/vda4/report.txt'],
    );
    t.match(answer, { added: 0, removed: 0, renamed: 0, unreadCount: 0 });
  });

  await t.test('in a mount, before and after the store is rebuilt', async (t) => {
    const point = join(directory, 'mount');
    mkdirSync(point);
    t.teardown(() => umbra.run('unmount', point, '--force'));
    const read = (version: string, path: string): string =>
      readFileSync(join(point, 'web1', version, 'files', path), 'utf8');
    await umbra.mount(point);
    t.equal(read(first, 'vda1/report.txt'), 'first');
    t.match(await umbra.run('unmount', point), { code: 0 });
    await umbra.rebuild();
    await umbra.mount(point);
    t.equal(read(first, 'vda1/etc/fstab'), 'unchanged\n', 'what was open is opened anew');
    t.equal(read(second, 'vda2/report.txt'), 'second version');
    t.match(await umbra.run('unmount', point), { code: 0 });
  });
});
