import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../kit/temporary.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SHIPPED = join(ROOT, 'node_modules/classic-level/prebuilds/linux-x64/classic-level.node');
/** What the script needs besides a compiler. */
const PROGRAMS = ['bash', 'cat', 'cp', 'dirname', 'env', 'flock', 'mkdir', 'readlink', 'rm', 'touch'];

interface Checkout {
  readonly module: string;
  /** From now on the machine has these programs. */
  readonly become: (programs: Readonly<Record<string, string>>) => void;
  /** @returns what it says */
  readonly build: () => string;
}

/** A checkout with an empty classic-level, on a machine that has these programs, each of which is a script. */
function checkout(t: Test, programs: Readonly<Record<string, string>>): Checkout {
  const directory = temporaryDirectory(t);
  const [bin, module] = [join(directory, 'bin'), join(directory, 'node_modules/classic-level')];
  const headers = join(directory, 'include/node');
  for (const path of [bin, module, headers, join(directory, 'scripts')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(headers, 'node_api.h'), '');
  const node = `[[ $1 != -p ]] || { echo ${bin}/node; exit; }; exec ${process.execPath} "$@"`;
  for (const name of PROGRAMS) {
    symlinkSync(execFileSync('bash', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), join(bin, name));
  }
  const become = (scripts: Readonly<Record<string, string>>): void => {
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(bin, name), `#!/usr/bin/env bash\n${script}\n`);
      chmodSync(join(bin, name), 0o755);
    }
  };
  become({ node, grep: '', ...programs });
  const script = join(directory, 'scripts/build-leveldb');
  cpSync(join(ROOT, 'scripts/build-leveldb'), script);
  return {
    module,
    become,
    build: () => {
      const { status, stderr, stdout } = spawnSync(script, { env: { PATH: bin }, encoding: 'utf8' });
      t.equal(status, 0, 'it is no failure');
      t.equal(stdout, '');
      return stderr;
    },
  };
}

const BUILT = 'build/Release/classic_level.node';
const COMPILER = { 'g++': 'echo 12.2.0', make: '', python3: '' };
/** An npm that compiles, or pretends to. */
const npmThat = (does: string): Readonly<Record<string, string>> => ({
  ...COMPILER,
  npm: `cd node_modules/classic-level && mkdir -p build/Release && echo asked >>asked && ${does}`,
});

t.test('without a compiler it says once what is missing', (t) => {
  const { build } = checkout(t, { python3: '' });
  t.match(build(), /stores more slowly: .* g\+\+ make \(apt-get install g\+\+ make\)/);
  t.equal(build(), '');
  t.end();
});

t.test('what could not be compiled, or loaded, is not used', (t) => {
  for (const does of ['false', `echo nonsense >${BUILT}`]) {
    const { build, module } = checkout(t, npmThat(does));
    t.match(
      build(),
      /compiling LevelDB[^]*could not be compiled with Node\.js v.* and g\+\+ 12\.2\.0; .*\/\.cache\/build-leveldb\.log says why/,
    );
    t.notOk(existsSync(join(module, 'build')), does);
    t.equal(build(), '');
    t.equal(readFileSync(join(module, 'asked'), 'utf8'), 'asked\n', 'it is not tried again');
  }
  t.end();
});

t.test('what was compiled is kept; what a build left that was killed is not', (t) => {
  const { build, module } = checkout(t, npmThat(`cp ${SHIPPED} ${BUILT}`));
  mkdirSync(join(module, 'build/Release'), { recursive: true });
  writeFileSync(join(module, BUILT), 'half of it');
  t.match(build(), /compiling LevelDB/);
  t.ok(readFileSync(join(module, BUILT)).equals(readFileSync(SHIPPED)));
  t.equal(build(), '');
  t.equal(readFileSync(join(module, 'asked'), 'utf8'), 'asked\n', 'once');
  t.end();
});

t.test('what was compiled elsewhere is not used on a machine that it is not for', (t) => {
  const { build, module, become } = checkout(t, npmThat(`cp ${SHIPPED} ${BUILT}`));
  build();
  writeFileSync(join(module, BUILT), 'of another libc');
  t.match(build(), /compiling LevelDB/, 'one that does not load is compiled again');
  t.ok(readFileSync(join(module, BUILT)).equals(readFileSync(SHIPPED)));
  become({ grep: 'exit 1' });
  t.match(build(), /this processor has no SSE 4\.2/);
  t.notOk(existsSync(join(module, 'build')));
  t.end();
});
