import { EventEmitter } from 'node:events';
import t from 'tap';

import { askHidden, type Terminal } from '../../../src/cli/ask-hidden.js';

class FakeTerminal extends EventEmitter implements Terminal {
  readonly calls: unknown[] = [];
  setRawMode(isRaw: boolean): void {
    this.calls.push(isRaw);
  }
  resume(): void {
    this.calls.push('resume');
  }
  pause(): void {
    this.calls.push('pause');
  }
}

async function type(...parts: readonly (Buffer | string)[]): Promise<string> {
  const terminal = new FakeTerminal();
  let shown = '';
  const answer = askHidden(terminal, (text) => (shown += text), 'Passphrase: ');
  for (const part of parts) terminal.emit('data', part);
  terminal.emit('end');
  try {
    return await answer;
  } finally {
    t.equal(shown, 'Passphrase: \n', 'nothing of it is shown');
    t.same(terminal.calls, [true, 'resume', false, 'pause']);
    t.equal(terminal.listenerCount('data') + terminal.listenerCount('end'), 0);
  }
}

t.test('what is typed, with corrections, up to the end of the line', async (t) => {
  t.equal(await type(Buffer.from('wor'), 'ds\r', 'more'), 'words');
  t.equal(await type('wrong\u0015worx\u007fds\n'), 'words');
  t.equal(await type('\b\u007fwords\u0004'), 'words');
  t.equal(await type(Buffer.from('wä').subarray(0, 2), Buffer.from('wä').subarray(2), '\r'), 'wä');
  t.equal(await type('wo'), 'wo', 'the terminal went away');
  await t.rejects(type('wor\u0003ds\r'), { code: 'CANCELLED' });
});
