import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAgentConfig, readAgentConfig } from '../../../agent/run/agent-config.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('what is not said has a default', (t) => {
  t.match(readAgentConfig(undefined), { state: '/var/lib/umbra-agent', libvirt: 'auto', qmp: [], backups: 2 });
  t.strictSame(parseAgentConfig('', 'x'), readAgentConfig(undefined));
  const text =
    'qmp:\n  - {name: a, socket: /run/a}\nscripts: {before: /b, timeoutSeconds: 5, application: true}\nbackups: 4';
  t.match(parseAgentConfig(text, 'x'), {
    qmp: [{ name: 'a', socket: '/run/a' }],
    scripts: { before: '/b', timeoutSeconds: 5, application: true },
    backups: 4,
  });
  t.equal(parseAgentConfig('devices: auto', 'x').devices, 'auto');
  t.strictSame(parseAgentConfig('devices: [/dev/vdb]', 'x').devices, ['/dev/vdb']);
  t.end();
});

t.test('mistakes are named with their line', (t) => {
  const wrong: readonly (readonly [text: string, message: RegExp])[] = [
    ['libvrt: auto', /x:1: "libvrt" is not known/],
    ['libvirt: auto\nbackups: 0', /x:2: "backups" must be a whole number from 1 to 64/],
    ['backups: many', /x:1: "backups"/],
    ['freezeSeconds: 1000', /x:1: "freezeSeconds" must be a number of seconds from 0.1 to 600/],
    ['directories: images', /x:1: "directories" must be a list/],
    ['directories: [images]', /x:1: "directories\[0\]" must be an absolute path/],
    ['devices: all', /x:1: "devices" must be a list of 1/],
    ['devices: []', /x:1: "devices" must be a list of 1/],
    ['qmp: [{name: a}]', /x:1: "qmp\[0\].socket" is missing/],
    ['scripts: {onFailure: retry}', /x:1: "scripts.onFailure" must be one of abort, continue/],
    ['- a', /x: it must have lines/],
    ['libvirt: a\nlibvirt: b', /x:2: .*unique/],
    ['a: [', /x:1: /],
    ['#'.repeat(70_000), /longer than/],
  ];
  for (const [text, message] of wrong)
    t.throws(() => parseAgentConfig(text, 'x'), { code: 'BAD_ARGUMENT', message }, text.slice(0, 40));
  t.throws(() => parseAgentConfig('libvrt: auto', 'x'), {
    code: 'BAD_ARGUMENT',
    hint: /Did you mean "libvirt"\? Allowed are state, /,
  });
  t.throws(() => readAgentConfig('/nowhere/agent.yaml'), { code: 'BAD_ARGUMENT', message: /cannot be read/ });
  const file = join(temporaryDirectory(t), 'agent.yaml');
  writeFileSync(file, 'backups: 3');
  t.equal(readAgentConfig(file).backups, 3);
  t.end();
});
