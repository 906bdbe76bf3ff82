import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { EXIT_CODES } from '../../src/common/exit-codes.js';
import { Random, testSeed } from '../kit/random.js';
import { scratch } from '../kit/mount-server.js';
import { checkVerifies, listedVersions } from '../kit/trust/check.js';
import { contentDigest } from '../kit/trust/machine.js';
import { hostedUmbraAt } from '../kit/hosted-umbra.js';
import { errorOf, type Umbra } from '../kit/umbra-program.js';

const MIB = 1024 * 1024;

const random = new Random(testSeed(t));

interface Mounted {
  readonly umbra: Umbra;
  readonly directory: string;
  readonly mountPoint: string;
}

/** A store that is not made yet, and a place for a mount, which goes when the test ends. */
function freshStore(t: Test): Mounted {
  const directory = scratch(t);
  const umbra = hostedUmbraAt(t, join(directory, 'store'));
  const mountPoint = join(directory, 'mount');
  mkdirSync(mountPoint);
  t.teardown(() => umbra.run('unmount', mountPoint, '--force'));
  return { umbra, directory, mountPoint };
}

function image(directory: string, name: string, sizeBytes: number): string {
  const path = join(directory, name);
  writeFileSync(path, random.bytes(sizeBytes));
  return path;
}

const rawFile = (mountPoint: string, version: string): string =>
  join(mountPoint, ...version.split('@'), 'volumes', 'vda.raw');

t.test('collecting beside running backups and a reading mount', { timeout: 240_000 }, async (t) => {
  const { umbra, directory, mountPoint } = freshStore(t);
  const kept = image(directory, 'kept.raw', 8 * MIB);
  const digest = contentDigest(readFileSync(kept));
  const { shadowCopy } = await umbra.backup('kept', kept);
  await umbra.mount(mountPoint);
  const changing = image(directory, 'changing.raw', 8 * MIB);
  await umbra.backup('changing', changing);
  const versions: { version: string; digest: string }[] = [{ version: `kept@${shadowCopy}`, digest }];
  for (let round = 0; round < 3; round++) {
    const bytes = readFileSync(changing);
    random.bytes(2 * MIB).copy(bytes, random.below(6 * MIB));
    writeFileSync(changing, bytes);
    const reading = readAgain(t, rawFile(mountPoint, `kept@${shadowCopy}`), digest, 3);
    const forgetting = umbra.forget('changing@latest', '--force');
    const [backup, gc] = await Promise.all([umbra.backup('changing', changing), umbra.run('gc'), reading, forgetting]);
    t.equal(gc.code, 0, gc.stderr);
    // Which of both came first, nobody knows: what is listed must be whole.
    const version = `changing@${backup.shadowCopy}`;
    if ((await listedVersions(umbra)).includes(version)) versions.push({ version, digest: contentDigest(bytes) });
  }
  await umbra.gc();
  const listed = await listedVersions(umbra);
  for (const known of versions.filter(({ version }) => listed.includes(version))) {
    t.equal(contentDigest(await readFile(rawFile(mountPoint, known.version))), known.digest, known.version);
  }
  await checkVerifies(umbra);
});

async function readAgain(t: Test, file: string, digest: string, times: number): Promise<void> {
  for (let time = 0; time < times; time++) t.equal(contentDigest(await readFile(file)), digest);
}

t.test('an open shadow copy is not forgotten', { timeout: 240_000 }, async (t) => {
  const { umbra, directory, mountPoint } = freshStore(t);
  const path = image(directory, 'one.raw', 5 * MIB);
  const { shadowCopy } = await umbra.backup('one', path);
  const version = `one@${shadowCopy}`;
  await umbra.mount(mountPoint);
  const handle = await open(rawFile(mountPoint, version));
  const refused = await umbra.run('forget', version, '--force');
  t.equal(refused.code, EXIT_CODES.BUSY.code);
  t.equal(errorOf(refused).code, 'SHADOW_COPY_OPEN');
  await umbra.gc();
  const block = Buffer.alloc(MIB);
  await handle.read(block, 0, MIB, 4 * MIB);
  t.ok(block.equals(readFileSync(path).subarray(4 * MIB)), 'and still reads after a collection');
  await handle.close();
  // Looking is no reason to keep it, nor its data.
  t.ok((await readdir(join(mountPoint, 'one', shadowCopy, 'files'))).length > 0);
  await forgetWhenClosed(umbra, version);
  t.same(await listedVersions(umbra), []);
  t.same(await readdir(mountPoint), [], 'it is gone from the mount');
  const { deletedObjects } = await umbra.gc();
  t.ok(deletedObjects > 0);
  await checkVerifies(umbra);
});

/** The kernel tells the server of a closed file a moment after close(2) returned. */
async function forgetWhenClosed(umbra: Umbra, version: string): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const ended = await umbra.run('forget', version, '--force');
    if (ended.code === 0) return;
  }
  throw new Error(`${version} stays in use after its file was closed`);
}

t.test('ten readers at once', { timeout: 240_000 }, async (t) => {
  const { umbra, directory, mountPoint } = freshStore(t);
  const paths = [image(directory, 'a.raw', 10 * MIB), image(directory, 'b.raw', 10 * MIB)];
  const { shadowCopy } = await umbra.backup('one', ...paths);
  await umbra.mount(mountPoint);
  const wanted = paths.map((path) => contentDigest(readFileSync(path)));
  const volumes = join(mountPoint, 'one', shadowCopy, 'volumes');
  const digests = await Promise.all(
    Array.from({ length: 10 }, (_, index) => digestOfCat(join(volumes, `vd${index % 2 === 0 ? 'a' : 'b'}.raw`))),
  );
  t.same(
    digests,
    digests.map((_, index) => wanted[index % 2]),
  );
});

async function digestOfCat(file: string): Promise<string> {
  const cat = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const hash = createHash('sha256');
  cat.stdout.on('data', (bytes: Buffer) => hash.update(bytes));
  await once(cat, 'close');
  return hash.digest('hex');
}

t.test('twenty commands at once on a store whose server does not run', { timeout: 240_000 }, async (t) => {
  const { umbra, directory } = freshStore(t);
  await umbra.backup('one', image(directory, 'one.raw', MIB));
  await umbra.killServer();
  const commands = Array.from(
    { length: 20 },
    (_, index) => [['list'], ['stats'], ['verify'], ['list', 'one']][index % 4],
  );
  const ended = await Promise.all(commands.map((command) => umbra.start(...(command ?? [])).ended));
  t.same(
    ended.filter(({ code }) => code !== 0).map(({ command, stderr }) => `${command}: ${stderr}`),
    [],
  );
});

t.test('many first backups at once make one store', { timeout: 240_000 }, async (t) => {
  const { umbra, directory } = freshStore(t);
  const names = ['a', 'b', 'c', 'd'];
  const backups = names.map((name) => umbra.start('backup', name, image(directory, `${name}.raw`, MIB)).ended);
  t.same(
    (await Promise.all(backups)).filter(({ code }) => code !== 0),
    [],
  );
  t.same(
    (await umbra.list()).map(({ machine }) => machine),
    names,
  );
  await checkVerifies(umbra);
});

t.test('a mount that is up shows what comes and goes', { timeout: 240_000 }, async (t) => {
  const { umbra, directory, mountPoint } = freshStore(t);
  const path = image(directory, 'one.raw', MIB);
  const first = await umbra.backup('one', path);
  await umbra.mount(mountPoint);
  t.same(await readdir(join(mountPoint, 'one')), [first.shadowCopy, 'latest']);
  await t.rejects(readFile(rawFile(mountPoint, 'two@latest')), { code: 'ENOENT' });
  writeFileSync(path, random.bytes(MIB));
  const second = await umbra.backup('one', path);
  await umbra.backup('two', path);
  t.same(await readdir(mountPoint), ['one', 'two']);
  t.same(await readdir(join(mountPoint, 'one')), [first.shadowCopy, second.shadowCopy, 'latest']);
  await promisify(execFile)('cmp', [path, rawFile(mountPoint, 'one@latest')]);
  await umbra.forget(`one@${first.shadowCopy}`);
  t.same(await readdir(join(mountPoint, 'one')), [second.shadowCopy, 'latest']);
  await promisify(execFile)('cmp', [path, rawFile(mountPoint, 'two@latest')]);
});
