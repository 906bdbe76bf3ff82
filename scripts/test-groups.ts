import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Tests that look at their whole process (what it has mounted, its threads, memory, environment), take most of a minute, or
 * wait for their own tests at their top level: folders, and files without their `.test.js`, below test/.
 */
const ALONE: readonly string[] = [
  'system',
  'src/workers',
  'src/cli/process',
  'agent/images/qemu-nbd',
  'mount/active-mount',
  'mount/dead-mounts',
  'mount/fuse',
  'mount/fuse-requests',
  'mount/guest-programs',
  'mount/mount-point',
  'mount/mounts',
  'mount/read-ahead',
  'mount/filesystems/fat/dos-time',
  'scripts/benchmark/watch-processes',
  'src/store/kv',
  'src/store/level-iterate',
];

/** So many files share a process: enough that starting it doesn't count, few enough that it ends soon. */
const FILES = 8;

export interface TestGroup {
  /** The folder of its first file, and that file. */
  readonly name: string;
  readonly files: readonly string[];
}

/**
 * Puts test files that lie beside each other together, a few at a time. Starting a process with everything that tap brings takes a second of
 * processor time; most of the tests themselves take a few milliseconds. What is alone comes first: the longest are among them,
 * and nothing should wait for them at the end.
 *
 * @param files - relative to the folder of all tests, as `src/store/kv.test.js`
 */
export function groupTests(files: readonly string[]): TestGroup[] {
  const alone: TestGroup[] = [];
  const groups: TestGroup[] = [];
  let open: { readonly top: string | undefined; readonly files: string[] } | undefined;
  for (const file of [...files].sort()) {
    const folder = path.dirname(file);
    const name = file.replace(/\.test\.js$/, '');
    if (ALONE.includes(folder) || ALONE.includes(name)) {
      alone.push({ name, files: [file] });
      continue;
    }
    const [top] = file.split('/');
    if (open !== undefined && open.top === top && open.files.length < FILES) {
      open.files.push(file);
      continue;
    }
    open = { top, files: [file] };
    groups.push({ name: `${folder}/from-${path.basename(name)}`, files: open.files });
  }
  return [...alone, ...groups];
}

/**
 * A test that runs the tests of a group one after the other, and says whose they are. None runs before all are there: tap may
 * end a process when it has nothing to run, and passes over what comes later.
 */
function programOf({ name, files }: TestGroup): string {
  const up = '../'.repeat(name.split('/').length);
  return [
    "import t from 'tap';",
    'let loaded;',
    "void t.test('all files are there', (t) => {",
    '  loaded = () => {',
    "    t.pass('now they are');",
    '    t.end();',
    '  };',
    '});',
    ...files.map((file) => `t.comment('test/${file}');\nawait import('${up}test/${file}');`),
    'loaded();',
    '',
  ].join('\n');
}

/** `test-groups`: writes a test for each group into dist/tests-together/, and prints what is to be run, a path on each line. */
function main(dist: string): void {
  // tap takes them in the order of their paths: these come after what is alone.
  const groups = path.join(dist, 'tests-together');
  rmSync(groups, { recursive: true, force: true });
  const files = readdirSync(path.join(dist, 'test'), { recursive: true, encoding: 'utf8' });
  for (const group of groupTests(files.filter((file) => file.endsWith('.test.js')))) {
    const [only] = group.files;
    if (group.files.length === 1 && only !== undefined) {
      console.log(path.join('dist/test', only));
      continue;
    }
    const file = path.join(groups, `${group.name}.test.js`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, programOf(group));
    console.log(path.relative(path.dirname(dist), file));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(path.resolve(import.meta.dirname, '..'));
