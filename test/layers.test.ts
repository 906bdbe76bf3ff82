import { execFile } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

const ROOT = join(import.meta.dirname, '../..');

/** One project that breaks every rule of .dependency-cruiser.cjs, each file for the reason that its line gives. */
const BROKEN: Readonly<Record<string, string>> = {
  'src/common/a.ts': "import '../protocol/a.js';", // common-reach
  'src/protocol/a.ts': "import '../system/a.js';", // protocol-reach
  'src/system/a.ts': "import '../store/clean.js';", // system-reach
  'src/qcow2/a.ts': "import '../common/clean.js';", // qcow2-reach
  'src/store/clean.ts': "import 'level'; import '../common/clean.js';",
  'src/store/a.ts': "import '../server/clean.js';", // store-reach
  'src/alerts/a.ts': "import '../server/clean.js';", // alerts-reach
  'src/certificates/a.ts': "import '../protocol/clean.js';", // certificates-reach
  'src/transport/a.ts': "import '../server/clean.js';", // transport-reach
  'src/protocol/clean.ts': "import '../common/clean.js';",
  'src/files/a.ts': "import '../server/clean.js';", // files-reach
  'src/remote/a.ts': "import '../server/clean.js';", // remote-reach
  'src/policies/a.ts': "import '../protocol/clean.js';", // policies-reach
  'src/scheduler/a.ts': "import '../server/clean.js';", // scheduler-reach
  'src/server/clean.ts': "import '../store/clean.js';",
  'src/server/a.ts': "import 'classic-level';", // level-in-store
  'src/server/b.ts': "import '../../test/kit/a.js';", // product-without-tests
  'src/server/c.ts': "import 'tap';", // product-without-dev-packages
  'src/server/d.ts': "import './nowhere.js';", // resolvable
  'src/server/serve.ts': "import './clean.js';",
  'src/cli/clean.ts': "import '../server/serve.js'; import '../common/clean.js';",
  'src/cli/a.ts': "import type { A } from '../server/clean.js';", // cli-reach, by a type alone
  'src/common/clean.ts': 'export const clean = 1;',
  'src/common/circle-a.ts': "import './circle-b.js';", // no-cycles
  'src/common/circle-b.ts': "import './circle-a.js';",
  'mount/fuse.ts': "import 'fuse-native'; import './fuse-errno.js';",
  'mount/fuse-errno.ts': "import '../src/common/clean.js';",
  'mount/a.ts': "import 'fuse-native';", // fuse-native-once
  'mount/b.ts': "import './fuse.js';", // tree-without-fuse
  'mount/c.ts': "import '../src/store/clean.js';", // mount-reach
  'agent/clean.ts': "import '../src/system/clean.js';",
  'agent/a.ts': "import '../src/server/clean.js';", // agent-reach
  'src/system/clean.ts': "import '../common/clean.js';",
  'test/kit/a.ts': "import '../../src/store/clean.js';",
};

const EXPECTED = [
  'agent-reach agent/a.ts',
  'alerts-reach src/alerts/a.ts',
  'certificates-reach src/certificates/a.ts',
  'cli-reach src/cli/a.ts',
  'common-reach src/common/a.ts',
  'files-reach src/files/a.ts',
  'fuse-native-once mount/a.ts',
  'level-in-store src/server/a.ts',
  'mount-reach mount/c.ts',
  'no-cycles src/common/circle-a.ts',
  'policies-reach src/policies/a.ts',
  'product-without-dev-packages src/server/c.ts',
  'product-without-tests src/server/b.ts',
  'protocol-reach src/protocol/a.ts',
  'qcow2-reach src/qcow2/a.ts',
  'remote-reach src/remote/a.ts',
  'resolvable src/server/d.ts',
  'scheduler-reach src/scheduler/a.ts',
  'store-reach src/store/a.ts',
  'system-reach src/system/a.ts',
  'transport-reach src/transport/a.ts',
  'tree-without-fuse mount/b.ts',
];

interface Report {
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
  };
}

/** Check the project in `directory` by this project's rules; `rule file` for every violation, sorted. */
async function violations(directory: string): Promise<string[]> {
  const depcruise = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const config = join(ROOT, '.dependency-cruiser.cjs');
  const folders = ['src', 'mount', 'agent', 'test'];
  const text = await new Promise<string>((resolve) => {
    const args = [depcruise, '--config', config, '--output-type', 'json', ...folders];
    execFile(process.execPath, args, { cwd: directory, maxBuffer: 2 ** 26 }, (_error, stdout) => {
      resolve(stdout);
    });
  });
  const report = JSON.parse(text) as Report;
  return [...new Set(report.summary.violations.map(({ rule, from }) => `${rule.name} ${from}`))].sort();
}

t.test('the layer lint catches a violation of every rule, and nothing else', async (t) => {
  const directory = t.testdir(tree());
  t.strictSame(await violations(directory), EXPECTED);
  const { default: config } = (await import(join(ROOT, '.dependency-cruiser.cjs'))) as {
    default: { forbidden: { name: string }[] };
  };
  const caught = new Set(EXPECTED.map((line) => line.split(' ')[0]));
  t.strictSame(config.forbidden.map((rule) => rule.name).sort(), [...caught].sort(), 'each rule is tried');
});

/** BROKEN as nested folders for `t.testdir`, with stand-ins for the packages. */
function tree(): Record<string, TreeEntry> {
  const dependencies = { 'fuse-native': '1.0.0', level: '1.0.0', 'classic-level': '1.0.0' };
  const root: Record<string, TreeEntry> = {
    'package.json': JSON.stringify({ type: 'module', dependencies, devDependencies: { tap: '1.0.0' } }),
  };
  for (const [path, text] of Object.entries(BROKEN)) put(root, path, text);
  for (const name of [...Object.keys(dependencies), 'tap']) {
    put(root, `node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    put(root, `node_modules/${name}/index.js`, '');
  }
  return root;
}

type TreeEntry = string | { [name: string]: TreeEntry };

function put(folder: Record<string, TreeEntry>, path: string, text: string): void {
  const slash = path.indexOf('/');
  if (slash < 0) {
    folder[path] = text;
    return;
  }
  const name = path.slice(0, slash);
  const inner = (folder[name] ??= {});
  if (typeof inner !== 'string') put(inner, path.slice(slash + 1), text);
}
