import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig, readConfigFile } from '../../../src/server/config-file.js';
import { temporaryDirectory } from '../../kit/temporary.js';

void t.test('a configuration is read', async (t) => {
  const file = join(temporaryDirectory(t), 'umbra.yaml');
  const lines = ['# where', 'listen: 0.0.0.0:7443', 'names: [backup.example, 10.0.0.1]', 'mount: mnt', 'log: warn'];
  writeFileSync(file, lines.join('\n'));
  t.same(readConfigFile(file), {
    listen: '0.0.0.0:7443',
    names: ['backup.example', '10.0.0.1'],
    mount: join(file, '..', 'mnt'),
    log: 'warn',
  });
  t.same(parseConfig('warnBelow: 20GiB\nstopBelow: 1.5 GB', 'f'), { warnBelow: 20 * 2 ** 30, stopBelow: 1.5e9 });
  t.same(parseConfig('', 'f'), {});
  t.same(parseConfig('allowOther: true', 'f'), { allowOther: true });
  writeFileSync(file, 'keyFile: a.key\npassphraseFile: /b\nkeyCommand: pass umbra');
  t.same(readConfigFile(file), { keyFile: join(file, '..', 'a.key'), passphraseFile: '/b', keyCommand: 'pass umbra' });
  t.throws(() => readConfigFile('/nowhere/umbra.yaml'), { code: 'BAD_ARGUMENT', message: /cannot be read/ });
});

void t.test('what is wrong is named with its line, and what is allowed', async (t) => {
  const wrong = (text: string, message: RegExp, hint?: RegExp): void => {
    t.throws(() => parseConfig(text, 'u.yaml'), { code: 'BAD_ARGUMENT', message, ...(hint && { hint }) }, text);
  };
  wrong(
    '\nlisten: a:1\nlissten: b:2',
    /^u\.yaml:3: "lissten" is not known$/,
    /Did you mean "listen"\? Allowed are listen, /,
  );
  wrong(
    'colour: red',
    /^u\.yaml:1: "colour"/,
    /^Allowed are listen, names, mount, allowOther, scrubDays, log, warnBelow, stopBelow, notify, keyFile, passphraseFile, keyCommand\.$/,
  );
  wrong('listen: 7443', /^u\.yaml:1: "listen" must be a string/);
  wrong('stopBelow: 5', /"stopBelow" must be a string/);
  wrong('stopBelow: 5%', /"stopBelow" must be a size as 20GiB or 500MB, not "5%"/);
  wrong('log: loud', /^u\.yaml:1: "log" must be one of info, warn, error/);
  wrong('names:\n  - a\n  - a b', /^u\.yaml:1: "names\[1\]" must be a DNS name or an IP address, not "a b"/);
  wrong('listen: a\nlisten: b', /^u\.yaml:2: /);
  wrong('listen: [', /^u\.yaml:\d+: /);
  wrong('- listen', /must have lines of the form/);
  wrong('? [a]\n: b', /is not known/);
  wrong('mount:', /"mount" must be a string/);
  wrong(`# ${'x'.repeat(70_000)}`, /longer than/);
});
