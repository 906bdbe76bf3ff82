import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { setXattr } from '../../src/system/xattrs.js';
import { makeNtfs, mountNtfs3g } from '../kit/filesystems/ntfs-image.js';
import { accessDescriptor, number32 } from '../kit/filesystems/ntfs-values.js';
import { scratch } from '../kit/mount-server.js';
import { startSamba } from '../kit/samba.js';
import { hostedUmbraAt } from '../kit/hosted-umbra.js';
import type { Umbra } from '../kit/umbra-program.js';

interface Section {
  readonly section: string;
}

/** `@GMT-2026.11.22-10.15.00` for `2026-11-22T10-15-00Z`. */
function gmtName(version: string): string {
  const [date = '', time = ''] = version.replace('Z', '').split('T');
  return `@GMT-${date.replaceAll('-', '.')}-${time.replaceAll('-', '.')}`;
}

/** A directory that smbd's users can reach, and the program over a store in it. */
function place(t: Test): { directory: string; umbra: Umbra; mountPoint: string } {
  const directory = scratch(t);
  chmodSync(directory, 0o755);
  const mountPoint = join(directory, 'mnt');
  mkdirSync(mountPoint);
  return { directory, mountPoint, umbra: hostedUmbraAt(t, join(directory, 'store')) };
}

async function sections(umbra: Umbra): Promise<string> {
  const answer = (await umbra.result('share', 'smb-conf', '--all')) as readonly Section[];
  return answer.map(({ section }) => section).join('\n');
}

/** Names of shadow copies, and what Samba shows of them, are to the second. */
async function backUp(umbra: Umbra, image: string): Promise<string> {
  const { shadowCopy } = await umbra.backup('web1', image);
  await sleep(1100);
  return gmtName(shadowCopy);
}

t.test('previous versions of an ext4 in Samba', async (t) => {
  const { directory, umbra, mountPoint } = place(t);
  const image = join(directory, 'disk.img');
  const tree = join(directory, 'tree');
  const data = join(tree, 'srv', 'data');
  mkdirSync(join(data, 'docs'), { recursive: true });
  writeFileSync(join(data, 'report.txt'), 'version 1');
  writeFileSync(join(data, 'deleted later.txt'), 'I was deleted');
  writeFileSync(join(data, 'docs', 'plan.doc'), 'plan 1');
  const make = (): void => {
    rmSync(image, { force: true });
    writeFileSync(image, '');
    truncateSync(image, 8 * 1024 * 1024);
    execFileSync('mkfs.ext4', ['-q', '-d', tree, image]);
  };
  make();
  const first = await backUp(umbra, image);
  writeFileSync(join(data, 'report.txt'), 'version 2, longer');
  writeFileSync(join(data, 'docs', 'plan.doc'), 'plan 2');
  rmSync(join(data, 'deleted later.txt'));
  make();
  const second = await backUp(umbra, image);
  await umbra.result('share', 'add', 'data', 'web1:/vda/srv/data');
  await umbra.result('share', 'add', 'docs', 'web1:/vda/srv/data/docs');
  await umbra.result('share', 'add', 'docs', 'web1:/vda/srv/data/docs');
  const typed = await umbra.run('share', 'add', 'typo', 'web1:/vda/srv/dta');
  t.match(typed, { code: 3, stderr: /Did you mean \/vda\/srv\/data\? With --force/ });
  await umbra.mount(mountPoint, '--allow-other');
  const samba = await startSamba(t, await sections(umbra));

  t.match(samba.client('data', 'ls'), /report\.txt/);
  t.notMatch(samba.client('data', 'ls'), /deleted later/);
  const versions = samba.client('data', 'allinfo report.txt');
  t.match(versions, first);
  t.match(versions, second);
  const read = (share: string, path: string): string => {
    const target = join(directory, 'got');
    rmSync(target, { force: true });
    samba.client(share, `get "${path}" ${target}`);
    return execFileSync('cat', [target], { encoding: 'utf8' });
  };
  t.equal(read('data', 'report.txt'), 'version 2, longer');
  t.equal(read('data', `${first}/report.txt`), 'version 1');
  t.equal(read('data', `${second}/report.txt`), 'version 2, longer');
  t.equal(read('data', `${first}/deleted later.txt`), 'I was deleted');
  t.equal(read('data', `${first}/docs/plan.doc`), 'plan 1');
  t.equal(read('docs', `${first}/plan.doc`), 'plan 1');
  t.equal(read('docs', 'plan.doc'), 'plan 2');
  t.match(samba.client('data', `cd ${first}; ls`), /deleted later/);
  t.match(samba.client('data', `put ${image} new`), /NT_STATUS_ACCESS_DENIED/);
  t.match(samba.client('data', 'del report.txt'), /NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE_PROTECTED)/);

  writeFileSync(join(data, 'report.txt'), 'version 3');
  make();
  const third = await backUp(umbra, image);
  t.equal(read('data', 'report.txt'), 'version 3', 'who connects now gets the newest shadow copy');
  t.match(samba.client('data', 'allinfo report.txt'), third);
});

t.test('access lists and attributes of NTFS in Samba', async (t) => {
  const { directory, umbra, mountPoint } = place(t);
  const image = join(directory, 'disk.img');
  makeNtfs(image);
  const mount = mountNtfs3g(t, image);
  const top = join(mount.directory, 'users');
  mkdirSync(top);
  const descriptors = { open: accessDescriptor(1105, true), closed: accessDescriptor(1106, false) };
  setXattr(top, 'system.ntfs_acl', descriptors.open);
  for (const [name, descriptor] of Object.entries(descriptors)) {
    writeFileSync(join(top, `${name}.txt`), name);
    setXattr(join(top, `${name}.txt`), 'system.ntfs_acl', descriptor);
  }
  setXattr(join(top, 'open.txt'), 'system.ntfs_attrib', number32(0x26));
  mount.unmount();
  const version = await backUp(umbra, image);
  await umbra.result('share', 'add', 'users', 'web1:/vda/users');
  await umbra.mount(mountPoint, '--allow-other');
  const samba = await startSamba(t, await sections(umbra));

  t.match(samba.client('users', 'ls'), /open\.txt +[A-Z]*HS?A?[A-Z]* /, 'hidden, as in the guest');
  const list = samba.client('users', 'showacls; ls open.txt');
  t.match(list, /MODE:AHS/);
  t.match(list, /Owner SID:\s*S-1-5-21-1-2-3-1105/);
  t.match(list, /0x1f01ff[^]*SID: S-1-5-21-1-2-3-1105[^]*0x1200a9[^]*SID: S-1-1-0/);
  for (const path of ['', `${version}/`]) {
    const target = join(directory, 'got');
    rmSync(target, { force: true });
    samba.client('users', `get ${path}open.txt ${target}`);
    t.equal(execFileSync('cat', [target], { encoding: 'utf8' }), 'open');
    t.match(
      samba.client('users', `get ${path}closed.txt ${target}`),
      /NT_STATUS_ACCESS_DENIED/,
      'the list is enforced',
    );
  }
});
