import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openNbd } from '../../../../agent/images/nbd/nbd-client.js';
import { fakeNbdServer, optionReply, packed, replyChunk } from '../../../kit/fake-nbd-server.js';
import { startUntilSocket } from '../../../kit/qemu.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MIB = 1024 * 1024;

t.test('nbdkit: random reads and writes side by side equal a model', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const file = join(directory, 'disk');
  const model = random.bytes(6 * MIB + 333);
  writeFileSync(file, model);
  const socketPath = join(directory, 'socket');
  await startUntilSocket(t, 'nbdkit', ['-f', '--exit-with-parent', '-U', socketPath, 'file', file], socketPath);
  const client = await openNbd({ socketPath, exportName: '' });
  t.equal(client.info.sizeBytes, model.length);
  for (let round = 0; round < 20; round++) {
    const offset = random.below(model.length);
    const length = random.below(Math.min(3 * MIB, model.length - offset)) + 1;
    if (random.chance(0.3)) {
      const data = random.bytes(length);
      data.copy(model, offset);
      await client.write(data, offset);
    } else if (random.chance(0.2)) {
      model.fill(0, offset, offset + length);
      await client.writeZeroes(offset, length);
    }
    const targets = [0, 1, 2].map(() => Buffer.alloc(length));
    await Promise.all(targets.map((target) => client.read(target, offset)));
    t.ok(targets.every((target) => target.equals(model.subarray(offset, offset + length))));
  }
  await client.flush();
  await client.close();
  t.ok(readFileSync(file).equals(model));
});

t.test('errors of the disk name the place, and the rest can be read', async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, 'socket');
  const script = 'if [ "$4" -ge 983040 ]; then echo "EIO broken" >&2; exit 1; fi; head -c "$3" /dev/zero';
  await startUntilSocket(
    t,
    'nbdkit',
    ['-f', '--exit-with-parent', '-U', socketPath, 'eval', 'get_size=echo 4M', `pread=${script}`],
    socketPath,
  );
  const client = await openNbd({ socketPath, exportName: '' });
  await t.rejects(client.read(Buffer.alloc(3 * MIB), 0), {
    code: 'IMAGE_FAILED',
    message: /could not read 65536 bytes at 983040: EIO/,
  });
  const target = Buffer.alloc(4096, 1);
  await client.read(target, 0);
  t.ok(target.equals(Buffer.alloc(4096)));
  t.equal(client.info.canWriteZeroes, false);
  await t.rejects(client.writeZeroes(0, 1), { code: 'TARGET_FAILED' });
  await t.rejects(client.write(Buffer.alloc(1), 0), {
    code: 'TARGET_FAILED',
    message: /could not write 1 bytes at 0: EPERM/,
  });
  await t.rejects(client.read(target, 4 * MIB), { code: 'INTERNAL' });
  await client.close();
});

t.test('pieces begin where clusters do, and are such as the server takes', async (t) => {
  const KIB = 1024;
  /** What is asked of a server with these sizes of blocks, in KiB. */
  const asked = async (minimum: number, maximum: number, from: number, to: number): Promise<number[][]> => {
    const ranges: number[][] = [];
    const info = optionReply(7, 3, packed([2, 0], [8, MIB], [2, 1]));
    const blocks = optionReply(7, 3, packed([2, 3], [4, minimum * KIB], [4, minimum * KIB], [4, maximum * KIB]));
    const socketPath = await fakeNbdServer(t, {
      option: (number) => (number === 7 ? Buffer.concat([info, blocks, optionReply(7, 1)]) : undefined),
      request: (request, socket) => {
        // The end of the connection is told, too.
        if (request.type !== 0) return;
        const offset = Number(request.offset);
        ranges.push([offset / KIB, (offset + request.length) / KIB]);
        socket.write(replyChunk(request, 1, 2, packed([8, offset], [4, request.length])));
      },
    });
    const client = await openNbd({ socketPath, exportName: '' });
    await client.read(Buffer.alloc((to - from) * KIB), from * KIB);
    await client.close();
    return ranges;
  };
  t.same(await asked(4, 32_768, 20, 220), [
    [20, 64],
    [64, 128],
    [128, 192],
    [192, 220],
  ]);
  t.same(await asked(64, 64, 64, 192), [
    [64, 128],
    [128, 192],
  ]);
  t.same(await asked(64, 100, 0, 128), [
    [0, 64],
    [64, 128],
  ]);
  t.same(await asked(4, 22, 8, 48), [
    [8, 20],
    [20, 40],
    [40, 48],
  ]);
});
