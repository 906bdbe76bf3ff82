// The programs that people use, on the files of a guest in a real mount, beside the kernel's own mount of the same image.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { unescapeName } from '../../mount/filesystems/names.js';
import { fillTree, makeExtImage } from '../kit/filesystems/ext-images.js';
import { loopMount } from '../kit/filesystems/loop-mount.js';
import { directoryManifest, type Manifest, sameManifest } from '../kit/filesystems/manifest.js';
import { ext4Image } from '../kit/files-lab.js';
import { MountServer, run } from '../kit/mount-server.js';
import { chainOf, overlayTo, storedParts } from '../kit/stored-chain.js';

const T0 = Date.UTC(2026, 10, 22, 10, 15);
const NS_PER_MS = 1_000_000n;

interface Views {
  readonly server: MountServer;
  /** The same files, by the kernel and by Umbra. */
  readonly kernel: string;
  readonly umbra: string;
  /** A directory for what is made of them. */
  readonly scratch: string;
}

/** A file system of one image, by the kernel and by Umbra. */
async function setUp(t: Test, fill: (root: string) => void, options: readonly string[] = []): Promise<Views> {
  const server = await MountServer.start(t);
  const image = makeExtImage(server.directory, {
    name: 'guest',
    options: ['-t', 'ext4', '-L', 'root', '-b', '1024', '-I', '256', '-N', '6000', ...options],
    sizeMib: 64,
  });
  const filling = loopMount(t, image);
  fill(filling.directory);
  filling.unmount();
  const copy = join(server.directory, 'copy.img');
  copyFileSync(image, copy);
  const kernel = loopMount(t, copy, ['ro']).directory;
  const volumes = [{ name: 'vda', sizeBytes: 64 * 1024 * 1024, seed: 0, path: image }];
  const version = await server.call('add', 'vm', T0, { volumes });
  const umbra = join(await server.mount('m'), 'vm', version, 'files/by-label/root/');
  const scratch = join(server.directory, 'scratch');
  mkdirSync(scratch);
  return { server, kernel, umbra, scratch };
}

/** What programs see through FUSE: whole milliseconds, none before 1970, and names that are escaped already. */
function throughFuse(manifest: Manifest): Manifest {
  const time = (ns = 0n): bigint => (ns < 0n ? 0n : ns - (ns % NS_PER_MS));
  return new Map(
    [...manifest].map(([path, entry]) => {
      const { mtimeNs, atimeNs, ctimeNs } = entry;
      return [path, { ...entry, mtimeNs: time(mtimeNs), atimeNs: time(atimeNs), ctimeNs: time(ctimeNs) }];
    }),
  );
}

/** The names of a mount of Umbra are escaped forms: what reads a directory escapes them once more. */
function escapedOnce(manifest: Manifest): Manifest {
  const once = (path: string): string => unescapeName(path).toString();
  return new Map(
    [...manifest].map(([path, entry]) => {
      const { target, sameAs } = entry;
      const names = {
        ...(target !== undefined && { target: once(target) }),
        ...(sameAs !== undefined && { sameAs: once(sameAs) }),
      };
      return [once(path), { ...entry, ...names }];
    }),
  );
}

/** Runs a program that must succeed; gives what it prints. */
async function output(program: string, ...args: readonly string[]): Promise<string> {
  const { ok, stdout, stderr } = await run(program, ...args);
  if (!ok) throw new Error(`${program} failed: ${stderr}`);
  return stdout;
}

t.test('everything that a file is, in a tree with all that files can be', async (t) => {
  const { kernel, umbra } = await setUp(t, (root) => {
    fillTree(root);
  });
  // A file that was read meanwhile has another access time in neither: both are read-only.
  sameManifest(t, escapedOnce(directoryManifest(umbra)), throughFuse(directoryManifest(kernel)));
  const [ours, theirs] = [await statfs(umbra), await statfs(kernel)];
  const { bsize, bfree, bavail, files, ffree } = theirs;
  t.match(ours, { bsize, bfree, bavail, files, ffree }, 'the figures are those of the guest');
});

/** Names that every program passes on as they are, and nothing that a copy can't have. */
function fillPlain(root: string): void {
  execFileSync('bash', ['-c', PLAIN_SCRIPT], { cwd: root });
}

const PLAIN_SCRIPT = `
set -e
mkdir -p etc/deep/er usr/bin "a name with spaces" dev
for i in $(seq 1 200); do echo "this is file $i, with a needle in some of them: $((i % 7))" > etc/file$i; done
head -c 700000 /dev/urandom > usr/bin/program; chmod 4755 usr/bin/program
ln usr/bin/program usr/bin/same; ln usr/bin/program etc/deep/again
ln -s ../bin/program usr/link; ln -s /nowhere dangling; ln -s "a name with spaces" "a link"
truncate -s 3000000 etc/sparse; echo data | dd of=etc/sparse bs=1 seek=1500000 conv=notrunc status=none
echo "ümlaut 文件" > "a name with spaces/ümlaut 文件"
mkfifo dev/fifo; mknod dev/null c 1 3; mknod dev/disk b 259 70000
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("dev/socket")'
touch -d '2001-02-03 04:05:06.789' etc/file1; touch -d '1990-01-01' usr; chown -R 1234:5678 usr
setfattr -n user.comment -v 'a comment' etc/file1; setfattr -n user.large -v "$(head -c 700 /dev/zero | tr '\\0' x)" etc/file2
setfattr -n trusted.hidden -v root etc/file3; setfattr -n security.selinux -v system_u:object_r:etc_t:s0 etc/file4
setfacl -m u:1000:rw,g:100:r etc/file5; setfacl -d -m u:1000:rwx etc/deep; setcap cap_net_raw+ep usr/bin/program
`;

t.test("programs see in it what they see in the kernel's mount", async (t) => {
  const { kernel, umbra, scratch, server } = await setUp(t, fillPlain);
  const both = async (program: string, ...args: readonly string[]): Promise<[string, string]> => {
    const at = async (root: string): Promise<string> =>
      await output('sh', '-c', `cd "$0" && exec "$@"`, root, program, ...args);
    return [await at(umbra), await at(kernel)];
  };
  const same = async (program: string, ...args: readonly string[]): Promise<void> => {
    const [ours, theirs] = await both(program, ...args);
    t.equal(ours, theirs, [program, ...args].join(' '));
    t.ok(ours.length > 0);
  };
  await same('ls', '-lAR', '--time-style=+%s');
  await same(
    'sh',
    '-c',
    "find . -printf '%p %y %m %n %U %G %s %b %T@ %l\\n' | sed 's/\\([0-9]\\.[0-9][0-9][0-9]\\)[0-9]*/\\1/' | sort",
  );
  await same('sh', '-c', 'find . -type f | sort');
  await same('sh', '-c', 'grep -rc needle etc | sort');
  await same('sh', '-c', 'tar --sort=name --xattrs --acls -c . | tar -tv');
  await same('sh', '-c', 'tar --sort=name -c --mtime=@0 . | sha256sum');
  await same('sh', '-c', 'getfattr -Rhd -m - -e hex . | grep -v "^$" | sort');
  await same('sh', '-c', 'find . ! -type l -print0 | sort -z | xargs -0 getfacl -pn');
  await same('sh', '-c', 'du -al --apparent-size . | sort');
  await same('sh', '-c', 'du -al . | sort');
  await same('getcap', 'usr/bin/program');
  await same('stat', '-c', '%t:%T %F', 'dev/null', 'dev/disk', 'dev/fifo', 'dev/socket');
  const [inode, again] = (
    await output('stat', '-c', '%i', join(umbra, 'usr/bin/program'), join(umbra, 'etc/deep/again'))
  ).split('\n');
  t.equal(inode, again, 'hard links share a number');

  const rsync = ['-aHAX', '--dry-run', '--itemize-changes', '--delete'];
  t.equal(await output('rsync', ...rsync, `${kernel}/`, umbra), '', 'rsync finds no difference');
  t.equal(await output('rsync', ...rsync, umbra, `${kernel}/`), '', 'nor the other way round');
  await output('rsync', '-aHAX', umbra, join(scratch, 'rsync'));
  await output('cp', '-a', umbra, join(scratch, 'cp'));
  for (const copy of ['rsync', 'cp']) {
    const copied = directoryManifest(join(scratch, copy));
    // What a copy can't have: the time of its own making, and places of its own on the disk.
    const ignore = ['ctimeNs', 'atimeNs', 'blocks', 'sameAs', 'nlink', 'mtimeNs'] as const;
    const expected = directoryManifest(kernel);
    const sizes = [...copied.values()].filter(({ type }) => type === 'directory');
    for (const entry of [...sizes, ...expected.values()]) if (entry.type === 'directory') entry.sizeBytes = 0;
    sameManifest(t, copied, expected, { ignore: [...ignore] });
    t.same(
      [...copied.values()].filter(({ sameAs }) => sameAs !== undefined).length,
      2,
      'hard links are copied as such',
    );
  }
  const { logLines } = await server.call('state');
  t.same(
    logLines.filter(({ level }) => level !== 'info'),
    [],
    'and nothing was wrong',
  );
});

t.test('attributes of the size limit, and answers to programs that give little room', async (t) => {
  const big = 'x'.repeat(65_536);
  const { umbra } = await setUp(
    t,
    (root) => {
      const script =
        'import os,sys; open("f","w"); os.setxattr("f","user.big",b"x"*65536); os.setxattr("f","user.small",b"y")';
      execFileSync('python3', ['-c', script], { cwd: root });
    },
    ['-O', 'ea_inode'],
  );
  const python = async (script: string): Promise<string> =>
    await output(
      'python3',
      '-c',
      `import os,ctypes,sys\nlibc=ctypes.CDLL(None,use_errno=True)\nos.chdir(sys.argv[1])\n${script}`,
      umbra,
    );
  t.equal(await python('print(os.getxattr("f","user.big").decode())'), `${big}\n`);
  t.equal(await python('print(sorted(os.listxattr("f")))'), "['user.big', 'user.small']\n");
  const call = (name: string, args: string, size: number): string =>
    `b=ctypes.create_string_buffer(64)\nprint(libc.${name}(b"f",${args}b,${size}),ctypes.get_errno())`;
  t.equal(await python(call('getxattr', 'b"user.small",', 1)), '1 0\n');
  t.equal(await python(call('getxattr', 'b"user.small",', 0)), '1 0\n');
  t.equal(await python(call('getxattr', 'b"user.big",', 64)), '-1 34\n', 'ERANGE');
  t.equal(await python(call('getxattr', 'b"user.none",', 64)), '-1 61\n', 'ENODATA');
  t.equal(await python(call('listxattr', '', 5)), '-1 34\n');
  t.equal(await python(call('listxattr', '', 0)), '20\n'.replace('\n', ' 0\n'));
  t.equal(await python(call('listxattr', '', 20)), '20 0\n');
});

t.test('a disk that was stored as the files that it is made of', async (t) => {
  const server = await MountServer.start(t);
  const [tree, base, overlay, wanted] = ['tree', 'base', 'overlay', 'wanted'].map((name) =>
    join(server.directory, name),
  ) as [string, string, string, string];
  mkdirSync(tree);
  ext4Image(base, tree, 8);
  writeFileSync(join(tree, 'report'), 'only in the overlay');
  ext4Image(wanted, tree, 8);
  await overlayTo(wanted, base, overlay);
  const { config, volumes } = storedParts(chainOf([base, overlay], ['raw', 'qcow2']));
  const paths = [base, overlay];
  const files = volumes.map(({ name, sizeBytes, seed }, index) => ({
    name,
    sizeBytes,
    seed,
    path: paths[index] ?? '',
  }));
  const version = await server.call('add', 'vm', T0, { config, volumes: files });
  const top = join(await server.mount('m'), 'vm', version);
  await output('cmp', join(top, 'volumes/vda.raw'), wanted);
  await output('cmp', join(top, 'volumes/vda.1.raw'), overlay);
  t.equal(await output('cat', join(top, 'files/vda/report')), 'only in the overlay');
  t.equal(await output('ls', join(top, 'volumes')), 'vda.0.raw\nvda.1.raw\nvda.raw\n');
  t.equal((await server.call('state')).openReaders <= 2, true, 'what was read is closed');
});
