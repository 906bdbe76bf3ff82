import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { temporaryDirectory } from '../../kit/temporary.js';

const PROGRAM = new URL('../../../src/server/main.js', import.meta.url);

/** What a module needs before it runs, as the compiler wrote it: types are gone, and what is imported later is not among it. */
const IMPORT = /^(?:import (?:[^'";]*? from )?|export [*{][^'";]*? from )["']([^"']+)["'];$/gm;

/** The packages that a program loads before it does anything. */
function packagesOf(program: URL): Set<string> {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const look = (module: URL): void => {
    if (seen.has(module.href)) return;
    seen.add(module.href);
    for (const [, name = ''] of readFileSync(module, 'utf8').matchAll(IMPORT)) {
      if (name.startsWith('.')) look(new URL(name, module));
      else if (!name.startsWith('node:')) packages.add(name);
    }
  };
  look(program);
  return packages;
}

t.test('a server that a command starts loads what most commands never need when it is needed', (t) => {
  const packages = packagesOf(PROGRAM);
  t.ok(packages.has('msgpackr'), 'what it always needs is found');
  for (const late of ['yaml', 'croner', '@peculiar/x509', 'nodemailer', 'sax']) t.notOk(packages.has(late), late);
  t.end();
});

t.test('a server that nobody needs any more closes its store before it ends', (t) => {
  const store = join(temporaryDirectory(t), 'store');
  const argument = JSON.stringify({ store, idleExitMs: 1, create: { mode: 'must' } });
  const { status } = spawnSync(process.execPath, [fileURLToPath(PROGRAM), argument], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  t.equal(status, 0);
  t.match(readFileSync(join(store, 'server.log'), 'utf8').trim().split('\n').at(-1), /"message":"stopped"/);
  t.notOk(readdirSync(store).includes('opening'), 'whoever opens it next has no cause to look for damage');
  t.end();
});
