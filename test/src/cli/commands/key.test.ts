import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

t.test('shows, adds, changes and removes keys', async (t) => {
  const { store } = await startFakeServer(t);
  const file = join(temporaryDirectory(t), 'key');
  writeFileSync(file, 'k'.repeat(64), { mode: 0o600 });
  const shown = await runUmbra(['key', 'show'], store);
  t.match(shown.stdout, /^encrypted with aes-256-gcm; cutting seed 0123456789abcdef\nID +KIND +MADE +USED +LABEL\n/);
  t.match(shown.stdout, /\nk1 +key file +1970-01-01 00:00:00 \+00:00 +now *\nbad +damaged/);
  t.match(await runUmbra(['key', 'add', '--key-file', file, '--label', 'in the safe'], store), {
    code: 0,
    stdout: 'the key file k2 opens the store, too\n',
  });
  const json = JSON.parse((await runUmbra(['key', 'show', '--json'], store)).stdout) as unknown;
  t.match(json, { keys: [{ id: 'k1' }, { id: 'k2', label: 'in the safe' }, { kind: 'damaged' }] });
  const asked: string[] = [];
  const askHidden = (question: string): Promise<string> => {
    asked.push(question);
    return Promise.resolve('words of some length');
  };
  t.match(await runUmbra(['key', 'change'], store, { askHidden }), {
    code: 0,
    stdout: /^the passphrase k2 opens the store in the place of the one it was opened with\n/,
  });
  t.same(asked, ['New passphrase: ', 'Once more: ']);
  t.match(await runUmbra(['key', 'change', 'k2', '--key-command', 'echo words and words'], store), {
    code: 0,
    stdout: /of k2/,
  });
  t.match(await runUmbra(['key', 'remove', 'k2'], store), { code: 0, stdout: 'k2 no longer opens the store\n' });
  t.match(await runUmbra(['key', 'remove', 'k9'], store), { code: 3, stderr: /no key "k9"/ });
});

t.test('what makes no sense is refused', async (t) => {
  const { store } = await startFakeServer(t);
  let typed = 0;
  for (const [commandLine, stderr] of [
    [['key', 'show', 'k1'], /"show" takes no id/],
    [['key', 'add', 'k1', '--key-file', '/k'], /"add" takes no id/],
    [['key', 'show', '--key-file', '/k'], /--key-file is for "add" and "change", not for "show"\nLeave it out\. /],
    [['key', 'remove', 'k1', '--label', 'x'], /--label is for/],
    [['key', 'remove'], /ID/],
    [['key', 'add', '--key-file', '/k', '--key-command', 'x'], /more than one key/],
    [['key', 'add'], /two different passphrases/],
    [['key', 'lose'], /ACTION/],
  ] as const)
    t.match(
      await runUmbra(commandLine, store, { askHidden: () => Promise.resolve(`passphrase ${typed++}`) }),
      { code: 2, stderr },
      commandLine.join(' '),
    );
  t.match(await runUmbra(['key', 'add'], store), { code: 16, stderr: /no terminal/ });
  t.match(await runUmbra(['key', 'add', '--key-file', '/nowhere/key'], store), { code: 20 });
  t.match(await runUmbra(['key', 'add', '--key-command', 'echo short'], store), { code: 2, stderr: /8 bytes/ });
});
