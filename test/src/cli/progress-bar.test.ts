import t from 'tap';
import { ProgressBar, progressLine } from '../../../src/cli/progress-bar.js';
import { ManualClock } from '../../kit/manual-clock.js';

const MIB = 1024 * 1024;

void t.test('a line fits its width', async (t) => {
  const progress = { what: 'reading vda', doneBytes: 50 * MIB, totalBytes: 200 * MIB };
  t.equal(
    progressLine(progress, 10 * MIB, 100),
    'reading vda  [########----------------------]   25 %  50.0 MiB of 200 MiB  10.0 MiB/s  15 s left',
  );
  for (let width = 1; width < 120; width += 1) {
    t.ok(progressLine(progress, 10 * MIB, width).length <= width, `${width}`);
    t.ok(progressLine({ what: 'reading vda', doneBytes: 5 }, 1, width).length <= width, `${width}`);
  }
});

void t.test('a line without a total', async (t) => {
  t.equal(progressLine({ what: 'marking', doneBytes: 5 * MIB }, 0, 80), 'marking  5.00 MiB');
  t.equal(progressLine({ what: 'marking', doneBytes: 5 * MIB }, MIB, 80), 'marking  5.00 MiB  1.00 MiB/s');
});

void t.test('more than all is all', async (t) => {
  t.match(progressLine({ what: 'x', doneBytes: 9, totalBytes: 3 }, 1, 80), '100 %');
});

void t.test('the bar measures its rate and cleans up', async (t) => {
  let text = '';
  const clock = new ManualClock();
  const bar = new ProgressBar(
    { write: (more) => (text += more), terminalColumns: () => 100, terminalRows: () => 24 },
    clock,
  );
  for (let step = 0; step <= 10; step += 1) {
    bar.show({ what: 'reading', doneBytes: step * MIB, totalBytes: 20 * MIB });
    clock.advance(1000);
  }
  t.match(text.split('\r').at(-1), '1.00 MiB/s  10 s left');
  bar.clear();
  bar.clear();
  t.ok(text.endsWith('\r\u001b[K'));
});

void t.test('without a terminal there is no bar', async (t) => {
  let text = '';
  const bar = new ProgressBar(
    { write: (more) => (text += more), terminalColumns: () => undefined, terminalRows: () => undefined },
    new ManualClock(),
  );
  bar.show({ what: 'reading', doneBytes: 1 });
  bar.clear();
  t.equal(text, '');
});
