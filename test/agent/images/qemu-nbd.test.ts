import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startQemuNbd } from '../../../agent/images/qemu-nbd.js';
import { systemClock } from '../../../src/common/clock.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

/** The children of this process that are there, zombies too. */
function children(): string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
}

t.test('a new qcow2 is written: data, zeros, flush', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'disk.qcow2');
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = directory;
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  });
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
