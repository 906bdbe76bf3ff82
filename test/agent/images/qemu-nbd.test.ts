import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { startQemuNbd } from '../../../agent/images/qemu-nbd.js';
import { systemClock } from '../../../src/common/clock.js';
import { makeHeldDirectory } from '../../../src/system/held-directory.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

/** The children of this process that are there, zombies too. */
function children(): string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
}

/** A directory for temporary files, also those of the code under test. */
function temporaryDirectoryForAll(t: Test): string {
  const directory = temporaryDirectory(t);
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = directory;
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });
  return directory;
}

t.test('a new qcow2 is written: data, zeros, flush', async (t) => {
  const directory = temporaryDirectoryForAll(t);
  const path = join(directory, 'disk.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', path, '16M');
  const data = new Random(testSeed(t)).bytes(5 * MIB + 77);
  const before = children();
  const qemu = await startQemuNbd({ path, format: 'qcow2', writable: true, clock: systemClock });
  t.same(readdirSync(directory), ['disk.qcow2'], 'no socket stays');
  const { client } = qemu;
  await Promise.all([client.write(data, 0), client.write(data, 8 * MIB + 13)]);
  await client.writeZeroes(MIB, MIB);
  await client.writeZeroes(9 * MIB, 1000, true);
  await client.flush();
  await qemu.close();
  await qemu.close();
  t.same(children(), before, 'no zombie stays');

  const expected = Buffer.alloc(16 * MIB);
  data.copy(expected, 0);
  data.copy(expected, 8 * MIB + 13);
  expected.fill(0, MIB, 2 * MIB).fill(0, 9 * MIB, 9 * MIB + 1000);
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', path, `${path}.raw`);
  t.ok(readFileSync(`${path}.raw`).equals(expected));
  t.match(qemuImg('check', '-f', 'qcow2', path), /No errors/);
});

t.test('when our process dies, so does qemu-nbd', async (t) => {
  const path = join(temporaryDirectory(t), 'disk.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
  const module = new URL('../../../agent/images/open-image.js', import.meta.url).href;
  const script = `
    const { openImage } = await import(${JSON.stringify(module)});
    await openImage(${JSON.stringify(path)});
    process.kill(process.pid, 'SIGKILL');
  `;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  t.equal(signal, 'SIGKILL');
  for (let tries = 0; holders(path).length > 0 && tries < 100; tries++) execFileSync('sleep', ['0.05']);
  t.same(holders(path), []);
});

t.test('what a process left that was killed while one started goes when the next one starts', async (t) => {
  const directory = temporaryDirectoryForAll(t);
  const path = join(directory, 'disk.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
  const inUse = await makeHeldDirectory(directory, 'umbra-image-');
  // Of a QEMU that serves a machine's disks, whatever became of the agent that asked it to.
  mkdirSync(join(directory, 'umbra-nbd-abcdef'));
  const others = ['disk.qcow2', basename(inUse.path), 'umbra-nbd-abcdef'];
  const [started, clock] = ['agent/images/qemu-nbd.js', 'src/common/clock.js'].map((module) => {
    return JSON.stringify(new URL(`../../../${module}`, import.meta.url).href);
  });
  const script = `
    const { readdirSync } = await import('node:fs');
    const { startQemuNbd } = await import(${started});
    const { systemClock: clock } = await import(${clock});
    void startQemuNbd({ path: ${JSON.stringify(path)}, format: 'qcow2', writable: false, clock });
    while (readdirSync(${JSON.stringify(directory)}).length === 3) await new Promise((resolve) => setImmediate(resolve));
    process.kill(process.pid, 'SIGKILL');
  `;
  t.equal(spawnSync(process.execPath, ['--input-type=module', '-e', script]).signal, 'SIGKILL');
  const left = readdirSync(directory).filter((name) => !others.includes(name));
  t.match(left, [/^umbra-image-/], 'something is left');
  const qemu = await startQemuNbd({ path, format: 'qcow2', writable: false, clock: systemClock });
  await qemu.close();
  t.same(readdirSync(directory).sort(), others.sort());
  await inUse.remove();
});

/** The qemu-nbd processes with `path` on their command line. */
function holders(path: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return commandLine.startsWith('qemu-nbd') && commandLine.includes(path);
    } catch {
      return false;
    }
  });
}

t.test('what QEMU refuses is told in its words', async (t) => {
  const path = join(temporaryDirectory(t), 'disk.qcow2');
  const start = (): Promise<unknown> => startQemuNbd({ path, format: 'qcow2', writable: false, clock: systemClock });
  await t.rejects(start(), { code: 'IMAGE_FORMAT', message: /No such file/ });
  qemuImg('create', '-q', '-f', 'raw', path, '1M');
  await t.rejects(start(), { code: 'IMAGE_FORMAT', message: /not in qcow2 format/ });
});
