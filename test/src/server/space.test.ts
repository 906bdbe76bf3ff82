import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { systemClock } from '../../../src/common/clock.js';
import { silentLog } from '../../../src/common/log.js';
import { openLocalEngine } from '../../../src/server/local-engine.js';
import { StoreServer } from '../../../src/server/store-server.js';
import { fakeParts } from '../../kit/fake-parts.js';
import { Random, testSeed } from '../../kit/random.js';
import { runUmbra } from '../../kit/run-umbra.js';
import { ext4Disk } from '../../kit/small-disk.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 ** 2;
const IMAGE_BYTES = 24 * MIB;
const STOP_BYTES = 64 * MIB;

t.test(
  'a disk that fills: ingest stops, nothing is lost, deleting works, it goes on',
  { timeout: 240_000 },
  async (t) => {
    const random = new Random(testSeed(t));
    const disk = ext4Disk(t, 640 * MIB);
    const store = join(disk.directory, 'store');
    const server = await StoreServer.start({
      clock: systemClock,
      log: silentLog,
      create: { mode: 'may' },
      ...fakeParts,
      openEngine: openLocalEngine,
      space: { stopBytes: STOP_BYTES, warnBytes: 2 * STOP_BYTES },
      store,
    });
    t.teardown(async () => {
      await server.stop();
      await server.ended;
    });
    const image = join(temporaryDirectory(t), 'disk.raw');
    const umbra = (...words: readonly string[]): ReturnType<typeof runUmbra> => runUmbra([...words, '--json'], store);
    const status = async (): Promise<{ space: { state: string; freeBytes: number; reserveBytes: number } }> =>
      JSON.parse((await umbra('status')).stdout) as never;
    const backUp = (machine: string): ReturnType<typeof runUmbra> => {
      writeFileSync(image, random.bytes(IMAGE_BYTES));
      return umbra('backup', machine, image);
    };

    const made: string[] = [];
    let ended = await backUp('m0');
    // It is not filled by ingest alone, which would take long.
    disk.fill(STOP_BYTES + 3 * IMAGE_BYTES);
    while (ended.code === 0 && made.length < 20) {
      made.push(`m${made.length}`);
      ended = await backUp(`m${made.length}`);
    }
    t.match(ended, { code: 6 });
    t.match(JSON.parse(ended.stdout), {
      error: { code: 'STORE_FULL', message: /nearly full/, hint: /umbra prune --gc/ },
    });
    const { space } = await status();
    t.equal(space.state, 'stopped');
    t.ok(space.freeBytes > STOP_BYTES - 40 * MIB && space.reserveBytes > 0, `${space.freeBytes} bytes are left`);
    t.match(await backUp('again'), { code: 6 }, 'it is refused at once');
    t.match(await umbra('verify'), { code: 0 });
    const listed = JSON.parse((await umbra('list')).stdout) as { machine: string; shadowCopy: string }[];
    t.same(
      listed.map(({ machine }) => machine).toSorted(),
      made.toSorted(),
      'all that was acknowledged, and nothing else',
    );

    disk.fill(0);
    const [first] = listed;
    t.match(await umbra('forget', `${first?.machine}@${first?.shadowCopy}`, '--force'), { code: 0 });
    const collected = await umbra('gc');
    t.match(collected, { code: 0 }, `${collected.stdout} ${collected.stderr}`);
    t.ok((JSON.parse(collected.stdout) as { freedBytes: number }).freedBytes > IMAGE_BYTES - MIB);
    t.equal((await status()).space.state, 'stopped', 'that is not enough');

    disk.release();
    for (let look = 0; look < 50 && (await status()).space.state === 'stopped'; look += 1) await sleep(200);
    t.match(await backUp('more'), { code: 0 }, 'it goes on by itself');
    t.match(await umbra('verify'), { code: 0 });
  },
);
