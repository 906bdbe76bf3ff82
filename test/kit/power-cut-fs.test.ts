import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openLevelKv, type LevelProfile } from '../../src/store/level-kv.js';
import { numberKey } from './bytes.js';
import { mountPowerCutFs } from './power-cut-fs.js';
import { META_BYTES, OBJECT_BYTES } from './power-cut-sizes.js';
import { Random, testSeed } from './random.js';
import { temporaryDirectory } from './temporary.js';

const random = new Random(testSeed(t));

t.test('it is a file system, and forgets what was not synced', async (t) => {
  const fs = await mountPowerCutFs(t);
  const script = `
    cd "$1" && mkdir -p a/b && echo durable > a/b/file && sync a/b/file && sync a/b
    echo more >> a/b/file && echo lost > a/b/other && mv a/b/file a/b/renamed
    test "$(cat a/b/renamed)" = "durable
more" && rm a/b/other && ! cat a/b/other 2>/dev/null && mkdir d && rmdir d && ln -s a l && test -e l/b/renamed`;
  execFileSync('bash', ['-ec', script, 'bash', fs.mountPoint]);
  const target = join(temporaryDirectory(t), 'left');
  await fs.cut(target, random.below(2 ** 32));
  t.throws(() => execFileSync('ls', [fs.mountPoint], { stdio: 'ignore' }), 'everything fails after the cut');
  const names = readdirSync(join(target, 'a/b')).filter((name) => name !== 'other');
  t.equal(names.length, 1, 'one of both names');
  t.match(readFileSync(join(target, 'a/b', names[0] ?? ''), 'utf8'), /^durable\n(m(o(re?)?)?|more\n)?$/);
});

interface Acknowledged {
  readonly objects: number;
  readonly meta: number;
}

/** Run the workload for a while, cut the power in its midst; what was acknowledged before. */
async function runAndCut(t: Parameters<typeof mountPowerCutFs>[0], target: string): Promise<Acknowledged> {
  const fs = await mountPowerCutFs(t);
  const program = fileURLToPath(new URL('power-cut-workload.js', import.meta.url));
  const args = [program, fs.mountPoint, `${random.below(2 ** 32)}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const exit = once(child, 'exit');
  let acknowledged: Acknowledged = { objects: 0, meta: 0 };
  const until = random.between(0, 1500);
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = { ...acknowledged, ...(JSON.parse(line) as Partial<Acknowledged>) };
    if (acknowledged.objects >= until) break;
  }
  const atCut = acknowledged;
  await fs.cut(target, random.below(2 ** 32));
  child.kill('SIGKILL');
  await exit;
  return atCut;
}

/** The numbers that are in a database, and whether each has its value. */
async function numbersIn(directory: string, profile: LevelProfile, length: number): Promise<Set<number>> {
  const kv = await openLevelKv(directory, { profile, createIfMissing: false, errorIfExists: false });
  const found = new Set<number>();
  for await (const [key, value] of kv.entries()) {
    const number = Number(Buffer.from(key).readBigUInt64BE());
    if (!numberKey(number).equals(key) || !Buffer.alloc(length, number).equals(value)) break;
    found.add(number);
  }
  await kv.close();
  return found;
}

t.test('LevelDB keeps what it acknowledged with sync', async (t) => {
  let lost = 0;
  for (let round = 0; round < 3; round++) {
    const target = join(temporaryDirectory(t), 'left');
    const acknowledged = await runAndCut(t, target);
    const objects = await numbersIn(join(target, 'objects'), 'bulk', OBJECT_BYTES);
    const meta = await numbersIn(join(target, 'meta'), 'small', META_BYTES);
    const missing = [...Array(acknowledged.objects).keys()].filter((number) => !objects.has(number));
    t.same(missing, [], `objects below ${acknowledged.objects}`);
    t.ok(meta.has(acknowledged.meta - 1) || acknowledged.meta === 0, `meta at ${acknowledged.meta}`);
    t.same(
      [...meta].filter((number) => !objects.has(number)),
      [],
      'no entry without its object',
    );
    lost += acknowledged.objects - meta.size;
  }
  t.comment(`entries without sync that were lost: ${lost}`);
});
