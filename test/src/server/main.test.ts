import { readFileSync } from 'node:fs';
import t from 'tap';

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
  const packages = packagesOf(new URL('../../../src/server/main.js', import.meta.url));
  t.ok(packages.has('msgpackr'), 'what it always needs is found');
  for (const late of ['yaml', 'croner', '@peculiar/x509', 'nodemailer', 'sax']) t.notOk(packages.has(late), late);
  t.end();
});
