import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { DEFAULT_DOCUMENT } from '../../../../src/policies/default-document.js';
import { Machines } from '../../../../src/store/machines.js';
import { daily, policyLab } from '../../../kit/policy-lab.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MINE = '# mine\ndefault: a\npolicies:\n  a: { keep: { daily: 3 }, minimumAge: 0, timeZone: Europe/Zurich }\n';

void t.test('shows the policies, and whose is which', async (t) => {
  const { store: data, serve } = await policyLab(t);
  await daily(data, 'web', 1);
  await new Machines(() => data).protect({ name: 'db', host: 'hv1', hostName: 'db', tracker: 'auto' });
  const store = await serve();
  t.same(await runUmbra(['policy', 'show'], store), { code: 0, stdout: DEFAULT_DOCUMENT, stderr: '' });
  t.match(JSON.parse((await runUmbra(['policy', 'show', '--json'], store)).stdout), {
    builtIn: true,
    digest: /^[0-9a-f]{64}$/,
  });
  t.match(
    (await runUmbra(['policy', 'show', 'db'], store)).stdout.replaceAll(/ +/g, ' '),
    [
      'machine: db',
      'host: hv1',
      'policy: standard (default)',
      'shadow copies: every 4h',
      'replicated: with shadow copies',
      'kept: last 3, daily 7, weekly 4, monthly 12',
      'time zone: UTC',
      'acceptable data loss: 1d',
      'quiet times: none',
      'consistency: crash, else what can be had',
      'minimum age: none',
      '',
    ].join('\n'),
  );
  t.match(JSON.parse((await runUmbra(['policy', 'show', 'db', '--json'], store)).stdout), {
    policy: 'standard',
    source: 'default',
    effective: { keep: { daily: 7 } },
  });
  t.match(await runUmbra(['policy', 'show', 'none'], store), { code: 3, stderr: /policy list/ });
  t.match(
    (await runUmbra(['policy', 'list'], store)).stdout,
    /^db +hv1 +standard +default +every 4h +with shadow copies +last 3, daily 7/m,
  );
  t.match(JSON.parse((await runUmbra(['policy', 'list', '--json'], store)).stdout), [
    { machine: 'db' },
    { machine: 'web' },
  ]);
});

void t.test('checks and applies files', async (t) => {
  const { serve } = await policyLab(t);
  const store = await serve();
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'good.yaml'), `${MINE}machines: { later: { policy: a } }\n`);
  writeFileSync(join(directory, 'bad.yaml'), 'default: a\npolicies:\n  a: { keep: { dayly: 3 } }\n');
  const umbra = (...words: readonly string[]): ReturnType<typeof runUmbra> => runUmbra(words, store, { directory });
  t.match(await umbra('policy', 'check', 'bad.yaml'), { code: 2, stderr: /bad\.yaml:3: .*\n.*Did you mean "daily"/ });
  t.match(await umbra('policy', 'check', 'none.yaml'), {
    code: 2,
    stderr: /none\.yaml cannot be read.*\n.*umbra policy show > none\.yaml/,
  });
  t.match(await umbra('policy', 'check', 'good.yaml'), {
    code: 0,
    stdout: /good\.yaml is fine\.\nThere are no machines yet\.\nnote: .*later: there is no such machine yet/,
  });
  t.match(JSON.parse((await umbra('policy', 'check', 'good.yaml', '--json')).stdout), {
    default: 'a',
    warnings: [/later/],
  });
  const { digest } = JSON.parse((await umbra('policy', 'show', '--json')).stdout) as { digest: string };
  t.match(await umbra('policy', 'apply', 'good.yaml', '--if', digest), { code: 0, stdout: /The policies hold/ });
  t.match(await umbra('policy', 'apply', 'good.yaml', '--if', digest), { code: 12, stderr: /no longer those/ });
  t.match(await umbra('policy', 'show'), { stdout: /^# mine/, stderr: /note: .*later/ });
  t.match(await umbra('policy', 'apply'), { code: 2, stderr: /WHAT is missing/ });
  t.match(await umbra('policy', 'list', 'web'), { code: 2 });
  t.match(await umbra('policy', 'show', '--if', digest), { code: 2, stderr: /--if is for "apply"/ });
  t.match(await umbra('policy', 'remove'), { code: 2, stderr: /show, list, check, apply, edit/ });
});

/** An editor that does these steps of a shell script, one each time that it is opened; `$1` is the file. */
function editor(
  t: Test,
  ...steps: readonly string[]
): { readonly variables: Record<string, string>; readonly opened: () => string[]; readonly isOpen: () => boolean } {
  const directory = join(temporaryDirectory(t), 'a b');
  mkdirSync(directory);
  const program = join(directory, 'editor');
  const cases = steps.map((step, index) => `${index}) ${step} ;;`).join('\n');
  writeFileSync(
    program,
    `#!/bin/sh\nn=$(ls '${directory}' | grep -c seen)\ncp "$1" '${directory}'/seen$n\necho "$1" > '${directory}'/path\ncase $n in\n${cases}\nesac\n`,
  );
  chmodSync(program, 0o700);
  return {
    variables: { VISUAL: `'${program}'`, EDITOR: 'false' },
    isOpen: () => existsSync(join(directory, 'seen0')),
    opened: () => steps.map((_, index) => readFileSync(join(directory, `seen${index}`), 'utf8')),
  };
}

/** Where the text of somebody who gave up is; there must be some. */
function keptFile(stderr: string): string {
  const [, file] = /Your text is in (\S+)\./.exec(stderr) ?? [];
  if (file === undefined) throw new TypeError(`no text was kept: ${stderr}`);
  return file;
}

void t.test('edits, again as long as something is wrong', async (t) => {
  const { store: data, serve } = await policyLab(t);
  const store = await serve();
  const edit = editor(t, `printf 'a: 1\\n%s' "$(cat "$1")" > "$1"`, `sed -i '/^a: 1/d; s/last: 3/last: 5/' "$1"`);
  const outcome = await runUmbra(['policy', 'edit'], store, { variables: { ...edit.variables, UMBRA_STORE: store } });
  t.match(outcome, { code: 0, stdout: /The policies hold/ });
  const [first, second] = edit.opened();
  t.equal(first, DEFAULT_DOCUMENT);
  t.match(
    second,
    /^#! line 4: "a" is not known\n#! Allowed are .*\n#! Leave it as it is to give up\.\na: 1\n/,
    'with its line there',
  );
  const lines = DEFAULT_DOCUMENT.replace('last: 3', 'last: 5').trimEnd();
  t.equal(data.settings.policies?.trimEnd(), lines, 'what was said of it is not in it');
});

void t.test('who leaves it as it is has changed nothing', async (t) => {
  const { store: data, serve } = await policyLab(t);
  const store = await serve();
  const run = async (edit: ReturnType<typeof editor>): ReturnType<typeof runUmbra> =>
    await runUmbra(['policy', 'edit'], store, { variables: { ...edit.variables, UMBRA_STORE: store } });
  t.match(await run(editor(t, 'true')), { code: 0, stdout: 'nothing was changed\n' });
  const failed = await run(editor(t, 'exit 3'));
  t.match(failed, { code: 13, stderr: /ended with 3; nothing was changed/ });
  t.notMatch(failed.stderr, /Your text is in/);
  const gaveUp = await run(editor(t, `echo 'x: 1' > "$1"`, 'true'));
  t.match(gaveUp, { code: 2, stderr: /"x" is not known[^]*Your text is in / });
  const kept = keptFile(gaveUp.stderr);
  t.equal(readFileSync(kept, 'utf8'), 'x: 1\n', 'his work is not lost');
  t.equal(data.settings.policies, undefined);
  rmSync(dirname(kept), { recursive: true });
});

void t.test('who was overtaken while he edited is told so, and keeps his text', async (t) => {
  const { service, store: data, serve } = await policyLab(t);
  const store = await serve();
  const go = join(temporaryDirectory(t), 'go');
  const edit = editor(t, `while [ ! -e ${go} ]; do sleep 0.02; done; sed -i 's/last: 3/last: 5/' "$1"`);
  const editing = runUmbra(['policy', 'edit'], store, { variables: { ...edit.variables, UMBRA_STORE: store } });
  while (!edit.isOpen()) await new Promise((resolve) => setTimeout(resolve, 10));
  await service.apply({ text: MINE });
  writeFileSync(go, '');
  const outcome = await editing;
  t.match(outcome, { code: 12, stderr: /no longer those[^]*Your text is in / });
  t.equal(data.settings.policies, MINE);
  rmSync(dirname(keptFile(outcome.stderr)), { recursive: true });
});
