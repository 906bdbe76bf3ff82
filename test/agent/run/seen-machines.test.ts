import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { SeenMachines } from '../../../agent/run/seen-machines.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const volume = { name: 'vda', path: '/a', format: 'qcow2', backing: [] } as const;
const machine: DiscoveredMachine = {
  name: 'a',
  source: 'qmp',
  state: 'running',
  volumes: [volume],
  skipped: [],
  configPaths: [],
};

t.test('what was seen last is there after a restart, as long as the configuration has it', async (t) => {
  const path = join(temporaryDirectory(t), 'qmp-machines.json');
  const [one, two] = [
    { name: 'a', socket: '/one' },
    { name: 'b', socket: '/two' },
  ] as const;
  const seen = new SeenMachines(path);
  t.equal(await seen.last(one), undefined);
  await seen.see(one, machine, [one, two]);
  await seen.see(two, { ...machine, name: 'b' }, [one, two]);
  const written = statSync(path).ino;
  await seen.see(one, { ...machine, state: 'paused' }, [one, two]);
  t.equal(statSync(path).ino, written, 'not written for its state alone');
  t.match(await seen.last(one), { state: 'paused' });

  const later = new SeenMachines(path);
  t.same(await later.last(two), { ...machine, name: 'b' });
  t.equal(await later.last({ name: 'a', socket: '/other' }), undefined, 'another socket may be another machine');
  const moved = { ...machine, volumes: [{ ...volume, path: '/c' }] };
  await later.see(one, moved, [one]);
  t.same(JSON.parse(readFileSync(path, 'utf8')), { 'a /one': moved });

  await later.forget(one);
  t.equal(await new SeenMachines(path).last(one), undefined, 'it went to another host');

  writeFileSync(path, 'torn');
  t.equal(await new SeenMachines(path).last(one), undefined);
  rmSync(path);
  mkdirSync(path);
  await t.rejects(new SeenMachines(path).last(one), { code: 'EISDIR' });
});
