import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { ExportResult, RestoreResult } from '../../../src/protocol/api.js';
import { cuttableWay, startReadingLab } from '../../kit/reading-lab.js';
import { runUmbra } from '../../kit/run-umbra.js';

/** One server for all: it is what takes time here. */
const shared = startReadingLab(t);

void t.test('restore, export and cp write files of this machine, as they do beside the store', async (t) => {
  const lab = await shared;
  const { directory, images, names, remote } = lab;
  const [old = ''] = names;
  const file = join(directory, 'restored.raw');
  const restored = await remote('restore', `m1@${old}`, '--volume', 'vda', '--to', file, '--json');
  t.match(restored, { code: 0, stderr: '' });
  t.match(JSON.parse(restored.stdout) as RestoreResult, { machine: 'm1', shadowCopy: old, volumes: [{ to: file }] });
  t.ok(readFileSync(file).equals(images[0] ?? Buffer.alloc(0)));
  t.equal(statSync(file).mode & 0o777, 0o600, 'for its user alone');
  const again = await remote('restore', 'm1', '--volume', 'vda', '--to', file, '--json');
  t.match(JSON.parse(again.stdout) as RestoreResult, { volumes: [{ differential: true }] });
  t.ok(readFileSync(file).equals(images[1] ?? Buffer.alloc(0)), 'only what differs is written');
  t.match(await remote('restore', 'm1', '--to', join(directory, 'all')), { code: 0, stdout: /vda to / });
  t.ok(readFileSync(join(directory, 'all', 'vda.raw')).equals(images[1] ?? Buffer.alloc(0)));

  const image = join(directory, 'exported.qcow2');
  const exported = await remote('export', 'm1', '--volume', 'vda', '--to', image, '--json');
  t.match(JSON.parse(exported.stdout) as ExportResult, { to: image, sizeBytes: images[1]?.length });
  execFileSync('qemu-img', ['convert', '-O', 'raw', image, `${image}.raw`]);
  t.ok(readFileSync(`${image}.raw`).equals(images[1] ?? Buffer.alloc(0)));
  await lab.umbra('export', 'm1', '--volume', 'vda', '--to', `${image}.local.qcow2`);
  t.equal(statSync(image).size, statSync(`${image}.local.qcow2`).size);

  const copy = join(directory, 'copy');
  mkdirSync(copy);
  t.match(await remote('cp', '-r', 'm1:/vda/.', copy, '--force'), { code: 0 });
  t.equal(readFileSync(join(copy, 'etc', 'fstab'), 'utf8'), 'first\nsecond\n');
  t.ok(readFileSync(join(copy, 'large')).equals(lab.large));
  const beside = join(directory, 'beside');
  await lab.umbra('cp', '-r', 'm1:/vda', beside);
  execFileSync('diff', ['-r', '--no-dereference', beside, copy]);
  t.match(await remote('cp', `m1@${old}:/vda/etc/fstab`, copy), { code: 0, stdout: /1 file/ });
  t.equal(readFileSync(join(copy, 'fstab'), 'utf8'), 'first\n');

  const sides = ['diff', `m1@${old}`, 'm1'];
  for (const more of [[], ['--exact'], ['--files']]) {
    const far = await remote(...sides, ...more, '--json');
    t.same(withoutEffort(JSON.parse(far.stdout)), withoutEffort(await lab.umbra(...sides, ...more)), more.join());
  }
});

/** How long it took, and what had to be read for it. */
function withoutEffort(result: unknown): unknown {
  return { ...(result as object), seconds: 0, comparedBytes: 0 };
}

void t.test('what is wrong is said as it is beside the store', async (t) => {
  const { directory, store, remote, url, token } = await shared;
  const wrong: readonly (readonly [string, number, RegExp])[] = [
    ['restore m9 --to x', 3, /no machine "m9"/],
    ['restore m1@2020-01-01T00-00-00Z --to x', 3, /no shadow copy/],
    ['restore m1 --volume vdz --to x', 3, /no volume "vdz"/],
    [`restore m1 --volume vda --to ${store}/x`, 8, /lies in the store/],
    ['export m1 --volume vda --to /proc/x.qcow2', 8, /\/proc\/x/],
    ['cp m1:/vda/none .', 3, /none/],
    ['cp m1:/vda/etc/hosts m1.raw', 8, /is there already/],
    ['backup m1 none.raw', 3, /none\.raw does not exist/],
  ];
  for (const [line, code, stderr] of wrong) t.match(await remote(...line.split(' ')), { code, stderr }, line);
  t.notOk(existsSync(join(directory, 'x')));
  const variables = { UMBRA_SERVER: url, UMBRA_TOKEN: token };
  const interrupted = AbortSignal.abort();
  const cancelled = await runUmbra(['restore', 'm1', '--to', 'y'], undefined, { variables, directory, interrupted });
  t.match(cancelled, { code: 130 });
  const away = { UMBRA_SERVER: 'https://127.0.0.1:1', UMBRA_TOKEN: token };
  t.match(await runUmbra(['restore', 'm1', '--to', 'y'], undefined, { variables: away, directory }), {
    code: 11,
    stderr: /nothing listens there/,
  });
});

void t.test('a connection that is lost in the midst of it is made again', async (t) => {
  const { directory, port, token, images } = await shared;
  const way = await cuttableWay(t, port);
  const variables = { UMBRA_SERVER: `https://127.0.0.1:${way.port}`, UMBRA_TOKEN: token };
  const file = join(directory, 'cut.raw');
  way.cutAfter(1024 * 1024);
  const restored = await runUmbra(['restore', 'm1', '--volume', 'vda', '--to', file], undefined, { variables });
  t.match(restored, { code: 0 });
  t.ok(way.connections() > 3, String(way.connections()));
  t.ok(readFileSync(file).equals(images[1] ?? Buffer.alloc(0)));
});
