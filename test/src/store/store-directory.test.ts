import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';

import { systemClock } from '../../../src/common/clock.js';
import { MetaPrefix } from '../../../src/codec/formats.js';
import { catalogKey, prefixRange } from '../../../src/store/keys.js';
import { openLevelKv } from '../../../src/store/level-kv.js';
import { StoreDirectory } from '../../../src/store/store-directory.js';
import { damageValue } from '../../kit/store-damage.js';
import { Random, testSeed } from '../../kit/random.js';
import { assertContents, keyOf, listingOf, QUIET } from '../../kit/store-model.js';
import { backUp, randomVolume } from '../../kit/test-store.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const create = { mustBeNew: false };

function open(
  directory: string,
  options: { readonly create?: { readonly mustBeNew: boolean } } = {},
): Promise<StoreDirectory> {
  return StoreDirectory.open({ directory, clock: systemClock, ...options });
}

/** A closed store with two shadow copies and a forgotten one. */
async function prepare(
  t: Test,
  seed = 1,
): Promise<{ readonly directory: string; readonly models: Map<string, Buffer> }> {
  const directory = path.join(temporaryDirectory(t), 'store');
  const random = new Random(seed);
  const models = new Map<string, Buffer>();
  const held = await open(directory, { create });
  for (const machine of ['a', 'b', 'b']) {
    const content = randomVolume(random, 100);
    models.set(keyOf(await backUp(held.store, machine, content)), content);
  }
  const [gone] = held.store.catalog.shadowCopies('b');
  if (gone !== undefined) {
    models.delete(keyOf(gone));
    await held.store.forget(gone);
  }
  await held.close();
  return { directory, models };
}

/** The store opens with an error whose hint is to rebuild; rebuilding mends it. */
async function assertRebuildMends(
  t: Test,
  directory: string,
  models: ReadonlyMap<string, Buffer>,
  code = 'STORE_DAMAGED',
): Promise<void> {
  const held = await open(directory);
  t.throws(() => held.store, { code, hint: /umbra rebuild/ });
  t.match(await held.rebuild(QUIET), { shadowCopies: 2, stayedDeleted: 1 });
  await assertContents(t, held.store, models);
  t.equal([...held.store.catalog.all()].length, 2);
  await held.close();
  const again = await open(directory);
  await assertContents(t, again.store, models);
  t.notOk(existsSync(path.join(directory, 'meta.new')) || existsSync(path.join(directory, 'meta.old')));
  await again.close();
}

t.test('makes a store, opens it again, refuses to make it twice', async (t) => {
  const directory = path.join(temporaryDirectory(t), 'deep', 'store');
  await t.rejects(open(directory), { code: 'STORE_NOT_FOUND' });
  t.notOk(existsSync(directory), 'looking for a store makes nothing');
  const held = await open(directory, { create: { mustBeNew: true } });
  const { id } = held.store.format;
  await held.close();
  await held.close();
  await t.rejects(open(directory, { create: { mustBeNew: true } }), { code: 'STORE_EXISTS', hint: /--store/ });
  const again = await open(directory, { create });
  t.equal(again.store.format.id, id);
  await again.close();
});

t.test('a directory of something else, a newer store, a format file that is damaged', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(path.join(directory, 'letter.txt'), 'dear');
  await t.rejects(open(directory, { create }), { code: 'STORE_FOREIGN' });
  t.same(readdirSync(directory), ['letter.txt'], 'left as it was');
  const { directory: store } = await prepare(t);
  const file = path.join(store, 'format');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('"formatVersion": 2', '"formatVersion": 3'));
  await t.rejects(open(store), { code: 'STORE_NEWER' });
  writeFileSync(file, text.replace('"umbra"', '"penumbra"'));
  await t.rejects(open(store), { code: 'STORE_FOREIGN' });
  writeFileSync(path.join(directory, 'format'), 'not JSON');
  await t.rejects(open(directory), { code: 'STORE_FOREIGN' });
});

t.test(
  'rebuilding mends: format file lost, empty, cut; meta lost, emptied, of another store; damaged catalog',
  async (t) => {
    const { directory, models } = await prepare(t, testSeed(t));
    const other = await prepare(t, 99);
    const at = (name: string): string => path.join(directory, name);
    const format = readFileSync(at('format'), 'utf8');
    const damages: [string, () => void | Promise<void>, string?][] = [
      [
        'format lost',
        () => {
          rmSync(at('format'));
        },
      ],
      [
        'format empty',
        () => {
          writeFileSync(at('format'), '');
        },
      ],
      [
        'format cut',
        () => {
          writeFileSync(at('format'), format.slice(0, 60));
        },
      ],
      [
        'meta lost',
        () => {
          rmSync(at('meta'), { recursive: true });
        },
      ],
      [
        'meta emptied',
        () => {
          rmSync(at('meta'), { recursive: true });
          mkdirSync(at('meta'));
        },
      ],
      [
        'CURRENT of meta lost',
        () => {
          rmSync(at('meta/CURRENT'));
        },
      ],
      [
        'a rebuild that broke off',
        () => {
          renameSync(at('meta'), at('meta.old'));
          mkdirSync(at('meta.new'));
        },
      ],
      [
        'meta of another store',
        () => {
          rmSync(at('meta'), { recursive: true });
          cpSync(path.join(other.directory, 'meta'), at('meta'), { recursive: true });
        },
        'STORE_FOREIGN',
      ],
      [
        'damaged catalog',
        async () => {
          const meta = await openLevelKv(at('meta'), {
            profile: 'small',
            createIfMissing: false,
            errorIfExists: false,
          });
          for await (const key of meta.keys(prefixRange(MetaPrefix.catalog)))
            await damageValue(meta, key, (value) => value.fill(1, 6));
          await meta.close();
        },
      ],
    ];
    for (const [name, damage, code] of damages) {
      await t.test(name, async (t) => {
        await damage();
        await assertRebuildMends(t, directory, models, code);
        t.equal(readFileSync(at('format'), 'utf8'), format);
      });
    }
  },
);

t.test('objects that are lost are said to be', async (t) => {
  const { directory } = await prepare(t);
  rmSync(path.join(directory, 'objects'), { recursive: true });
  const held = await open(directory);
  t.throws(() => held.store, { code: 'STORE_DAMAGED', message: /lost its objects/ });
  await t.rejects(held.rebuild(QUIET), { code: 'STORE_DAMAGED', message: /lost its objects/ });
  t.throws(() => held.store, { code: 'STORE_DAMAGED' });
  await held.close();
});

t.test('a rebuild that is stopped leaves the store as it was', async (t) => {
  const { directory, models } = await prepare(t);
  const held = await open(directory);
  const signal = AbortSignal.abort(new RangeError('stopped'));
  await t.rejects(held.rebuild({ ...QUIET, signal }), { message: 'stopped' });
  await assertContents(t, held.store, models);
  await held.close();
});

t.test('a store whose making broke off at any step is made again', async (t) => {
  const full = path.join(temporaryDirectory(t), 'full');
  await (await open(full, { create })).close();
  const steps: ((directory: string) => void)[] = [
    (directory) => {
      mkdirSync(directory);
    },
    (directory) => {
      mkdirSync(directory);
      writeFileSync(path.join(directory, 'lock'), '1\n');
      writeFileSync(path.join(directory, 'format.new'), '{');
    },
    (directory) => {
      mkdirSync(directory);
      cpSync(path.join(full, 'format'), path.join(directory, 'format'));
    },
    (directory) => {
      mkdirSync(path.join(directory, 'meta'), { recursive: true });
      cpSync(path.join(full, 'format'), path.join(directory, 'format'));
    },
    (directory) => {
      for (const name of ['meta', 'objects']) mkdirSync(path.join(directory, name), { recursive: true });
      cpSync(path.join(full, 'format'), path.join(directory, 'format'));
    },
  ];
  for (const [index, step] of steps.entries()) {
    const directory = path.join(temporaryDirectory(t), 'store');
    step(directory);
    const held = await open(directory, { create });
    await backUp(held.store, 'a', Buffer.alloc(5000, 1));
    t.ok(listingOf(held.store, 'a'), `step ${index}`);
    await held.close();
  }
});

t.test('what a lost listing is made of again: the truth is in the objects', async (t) => {
  const { directory, models } = await prepare(t);
  const meta = await openLevelKv(path.join(directory, 'meta'), {
    profile: 'small',
    createIfMissing: false,
    errorIfExists: false,
  });
  const [machine = '', name = ''] = [...models.keys()].at(0)?.split('@') ?? [];
  await meta.write([{ type: 'del', key: catalogKey(machine, name) }], { sync: true });
  await meta.close();
  const held = await open(directory);
  await assertContents(t, held.store, models);
  await held.close();
});

t.test('a second process is told who has the store, and of two that make one at once, one does', async (t) => {
  const directory = path.join(temporaryDirectory(t), 'store');
  const processes = [holder(t, directory), holder(t, directory)];
  const answers = await Promise.all(processes.map(firstLine));
  t.same([...answers].sort(), ['STORE_IN_USE', 'open']);
  const first = processes[answers.indexOf('open')];
  const message = new RegExp(`in use by process ${first?.pid ?? '?'}$`);
  await t.rejects(open(directory), { code: 'STORE_IN_USE', message });
  first?.stdin.end();
  if (first?.exitCode === null) await once(first, 'exit');
  const held = await open(directory);
  t.ok(held.store.format.id);
  await held.close();
});

function holder(t: Test, directory: string): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [path.resolve('dist/test/kit/store-holder.js'), directory]);
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function firstLine(child: ChildProcessWithoutNullStreams): Promise<string> {
  for await (const text of child.stdout) return String(text).trim();
  return 'nothing';
}
