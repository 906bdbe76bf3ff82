// An agent that protects the machine that it runs in: real block devices. Needs root, and never skips.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import type { AgentBackupAnswer, MachinesResult } from '../../../src/protocol/agents-api.js';
import { startAgentLab } from '../../kit/agent-lab.js';
import { loopDevice } from '../../kit/loop-device.js';
import { Random, testSeed } from '../../kit/random.js';
import { runUmbra } from '../../kit/run-umbra.js';

const MIB = 1024 * 1024;

t.test('devices of the machine that the agent runs in', async (t) => {
  const lab = await startAgentLab(t);
  const random = new Random(testSeed(t));
  const files = ['one', 'two'].map((name) => join(lab.directory, name));
  const contents = [random.bytes(5 * MIB), random.bytes(MIB)];
  for (const [index, file] of files.entries()) writeFileSync(file, contents[index] ?? '');
  const [file = ''] = files;
  const devices = files.map((path) => loopDevice(t, path));
  const [first = '', second = ''] = devices;
  const names = devices.map((device) => device.replace('/dev/', ''));
  const link = join(lab.directory, 'second');
  execFileSync('ln', ['-s', second, link]);
  await lab.agent('vm1', `libvirt: auto\ndevices: [${first}, ${link}, /dev/nothing]\ndiscoverSeconds: 3600`);
  const { machines, notes } = (await lab.umbra('machines')) as MachinesResult;
  t.match(machines, [{ host: 'vm1', hostName: hostname(), discovered: { source: 'guest', volumes: [{}, {}] } }]);
  t.strictSame(notes, [], 'nobody asked for a libvirt');
  await lab.umbra('protect', hostname(), '--as', 'vm1');

  const backUp = async (): Promise<AgentBackupAnswer> => (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  const restored = async (): Promise<Buffer[]> => {
    const target = join(lab.directory, 'restored');
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    await lab.umbra('restore', 'vm1', '--to', target);
    return names.map((name) => readFileSync(join(target, `${name}.raw`)));
  };
  t.match(await backUp(), { tracker: 'scan', consistency: 'crash', notes: [], readBytes: 6 * MIB });
  t.strictSame(await restored(), contents);

  // A program has a disk open for writing and writes it now and then; another disk grows.
  const handle = openSync(first, 'r+');
  t.teardown(() => {
    closeSync(handle);
  });
  const change = random.bytes(4096);
  change.copy(contents[0] ?? Buffer.alloc(0), 8192);
  writeSync(handle, change, 0, change.length, 8192);
  truncateSync(files[1] ?? '', 6 * MIB);
  execFileSync('losetup', ['--set-capacity', second]);
  contents[1] = Buffer.concat([contents[1] ?? Buffer.alloc(0), Buffer.alloc(5 * MIB)]);
  const changed = await backUp();
  t.match(changed, { consistency: 'crash', readBytes: 11 * MIB });
  t.ok(changed.sentBytes < 3 * MIB, `${changed.sentBytes} bytes were sent`);
  t.strictSame(await restored(), contents);

  // It is written all the time.
  const over = new AbortController();
  const writing = (async () => {
    for (let number = 0; !over.signal.aborted; number++) {
      writeSync(handle, Buffer.alloc(512, number), 0, 512, 4 * MIB);
      fsyncSync(handle);
      await setTimeout(1);
    }
  })();
  const written = await backUp();
  over.abort();
  await writing;
  t.match(written, {
    consistency: 'none',
    notes: [`${names[0] ?? ''} may have been written while it was read: it is not of one instant`],
  });
  t.match((await runUmbra(['list', 'vm1'], lab.store)).stdout, /none .*scan/);
  t.ok((await restored())[0]?.subarray(0, 4 * MIB).equals((contents[0] ?? Buffer.alloc(0)).subarray(0, 4 * MIB)));

  // One disk is taken away, and the other becomes smaller.
  rmSync(link);
  truncateSync(file, 2 * MIB);
  execFileSync('losetup', ['--set-capacity', first]);
  t.match(await backUp(), { consistency: 'crash', readBytes: 2 * MIB });
  const target = join(lab.directory, 'small');
  mkdirSync(target);
  await lab.umbra('restore', 'vm1', '--to', target);
  t.ok(
    readFileSync(join(target, `${names[0] ?? ''}.raw`)).equals((contents[0] ?? Buffer.alloc(0)).subarray(0, 2 * MIB)),
  );
  truncateSync(file, 0);
  execFileSync('losetup', ['--set-capacity', first]);
  const none = await runUmbra(['backup', 'vm1'], lab.store);
  t.match(none, { code: 13, stderr: /no volume that can be read/ });
});
