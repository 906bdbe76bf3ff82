import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../../../src/common/clock.js';
import { Aliases } from '../../../../agent/trackers/qemu-bitmap-libvirt/aliases.js';
import { backupXml, checkpointXml, recordedDisks } from '../../../../agent/trackers/qemu-bitmap-libvirt/backup-xml.js';
import { offlineCheckpoint } from '../../../../agent/trackers/qemu-bitmap-libvirt/offline.js';
import { makeWorkDirectories } from '../../../../agent/trackers/qemu-bitmap-libvirt/work-directory.js';
import { parseXml } from '../../../../agent/xml.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const DISK = {
  name: 'vda',
  path: `/i<m'g>"&`,
  sizeBytes: 512,
  scratchPath: `/s'&`,
  incremental: true,
  keepsBitmaps: true,
};

void t.test('names that are no XML, and descriptions of others', (t) => {
  const xml = checkpointXml('umbra-a', [DISK, { ...DISK, name: 'vdb', keepsBitmaps: false }]) ?? '';
  t.strictSame([...recordedDisks(xml)], [['vda', { path: DISK.path, sizeBytes: 512 }]]);
  t.equal(checkpointXml('umbra-a', [{ ...DISK, keepsBitmaps: false }]), undefined);
  t.equal(parseXml(backupXml([DISK], `/s'<`, 'umbra-a'), 'it').children[0]?.text, 'umbra-a');
  t.notMatch(backupXml([{ ...DISK, incremental: false }], '/s', 'umbra-a'), /incremental|backupmode|exportbitmap/);
  for (const description of ['', 'mine', '{"umbra":1}', '{"umbra":[1,{"name":"vda","path":"/a"}]}', '[]']) {
    const other = `<domaincheckpoint><description>${description}</description></domaincheckpoint>`;
    t.strictSame([...recordedDisks(other)], [], description);
  }
  t.end();
});

void t.test('what stands for checkpoints of a machine that was off', async (t) => {
  const path = join(temporaryDirectory(t), 'aliases.json');
  const aliases = new Aliases(path);
  t.equal(await aliases.resolve('off1'), 'off1');
  await aliases.add('off1', 'c1');
  await aliases.add('off2', 'c1');
  t.equal(await aliases.resolve('off1'), 'c1');
  await aliases.add('off3', 'c2');
  t.strictSame([await aliases.resolve('off1'), await aliases.resolve('off3')], ['off1', 'c2']);
  writeFileSync(path, '{');
  t.equal(await aliases.resolve('off3'), 'off3', 'a file that is damaged says nothing');
  await aliases.clear();
  mkdirSync(path);
  await t.rejects(aliases.resolve('off3'), { code: 'EISDIR' });
});

void t.test('nothing is left when something is missing', async (t) => {
  const directory = temporaryDirectory(t);
  const places = { uuid: 'u', scratchDirectory: directory, runtimeDirectory: join(directory, 'none') };
  await t.rejects(makeWorkDirectories(places, 0), { code: 'ENOENT' });
  const image = join(directory, 'a.raw');
  writeFileSync(image, 'x'.repeat(512));
  const disk = (path: string): { name: string; path: string; format: 'raw'; backing: [] } => {
    return { name: 'vda', path, format: 'raw', backing: [] };
  };
  const now = { disks: [disk(image), disk(join(directory, 'gone'))], owner: 0, remarks: [] };
  await t.rejects(
    offlineCheckpoint('a', now, [], systemClock, () => Promise.resolve()),
    { code: 'IMAGE_NOT_FOUND' },
  );
  t.strictSame(readdirSync(directory), ['a.raw']);
});
