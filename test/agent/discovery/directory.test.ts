import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { discoverDirectory } from '../../../agent/discovery/directory.js';
import { qemuImg } from '../../kit/qemu.js';
import { temporaryDirectory } from '../../kit/temporary.js';

void t.test('every image of a directory is a machine', async (t) => {
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  const create = (name: string, format: string, ...options: string[]): void => {
    qemuImg('create', '-q', '-f', format, ...options, at(name), '2M');
  };
  mkdirSync(at('old'));
  create('base.raw', 'raw');
  create('web.qcow2', 'qcow2', '-b', 'base.raw', '-F', 'raw');
  create('db.img', 'raw');
  create('same.raw', 'raw');
  create('same.vdi', 'vdi');
  create('old/web.qcow2', 'qcow2');
  create('split.vmdk', 'vmdk', '-o', 'subformat=monolithicFlat');
  create('guest.qcow2', 'qcow2', '-o', `data_file=${at('guest.img')},data_file_raw=on`);
  create('known.qcow2', 'qcow2');
  symlinkSync('db.img', at('alias.img'));
  // Left out, and why:
  create('strange.img', 'qcow2'); // a guest could have written that header
  create('fake.qcow2', 'raw');
  writeFileSync(at('empty.img'), '');
  for (const name of ['web.log', 'a.qcow2.part', '.hidden.img', 'notes']) writeFileSync(at(name), 'x'.repeat(512));
  symlinkSync('/dev/zero', at('zero.img'));
  execFileSync('mkfifo', [at('pipe.img')]);
  const server = createServer().listen(at('monitor.raw'));
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.close());

  const volume = (path: string, format: string, backing: string[] = []): object => {
    return { name: 'vda', path: at(path), format, backing, ...(format === 'raw' && { sizeBytes: 2_097_152 }) };
  };
  const { machines, notes } = await discoverDirectory(directory, new Set([at('known.qcow2')]));
  t.strictSame(
    machines.map(({ name, volumes }) => [name, ...volumes]),
    [
      ['db', volume('db.img', 'raw')],
      ['guest', volume('guest.qcow2', 'qcow2')],
      ['old/web', volume('old/web.qcow2', 'qcow2')],
      ['same.raw', volume('same.raw', 'raw')],
      ['same.vdi', volume('same.vdi', 'vdi')],
      ['split', volume('split.vmdk', 'vmdk')],
      ['web', volume('web.qcow2', 'qcow2', [at('base.raw')])],
    ],
  );
  t.match(machines[0], { source: 'directory', state: 'unknown', skipped: [], configPaths: [] });
  t.match(notes, [
    /fake\.qcow2 is left out/,
    /strange\.img is left out: .*begins or ends like a qcow2/,
    /zero\.img is left out/,
  ]);

  create('new.raw', 'raw');
  linkSync(at('new.raw'), at('new.raw.lnk'));
  truncateSync(at('fake.qcow2'), 0);
  const later = await discoverDirectory(directory, new Set());
  t.strictSame(
    later.machines.map(({ name }) => name).filter((name) => !machines.some((machine) => machine.name === name)),
    ['known', 'new'],
  );
  t.match((await discoverDirectory(at('none'), new Set())).notes, [/cannot be listed/]);
});
