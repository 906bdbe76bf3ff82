import t from 'tap';
import { readyGuest } from '../../../agent/checkpoints/ready-guest.js';
import { ManualClock } from '../../kit/manual-clock.js';

t.test('a guest that looks for its file systems and writes what its cache holds', async (t) => {
  const asked: unknown[] = [];
  const answers = [[], { pid: 7 }, { exited: false }, { exited: false }, { exited: true, exitcode: 0 }];
  await readyGuest((command, args) => {
    asked.push([command, args]);
    return Promise.resolve(answers.shift());
  });
  t.strictSame(asked, [
    ['guest-get-fsinfo', {}],
    ['guest-exec', { path: 'sync' }],
    ['guest-exec-status', { pid: 7 }],
    ['guest-exec-status', { pid: 7 }],
    ['guest-exec-status', { pid: 7 }],
  ]);
});

t.test('one that may not, that fails meanwhile, or that answers anything', async (t) => {
  let asked = 0;
  const answering =
    (...answers: readonly unknown[]): (() => Promise<unknown>) =>
    () => {
      const answer = answers[asked++];
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    };
  for (const [count, ...answers] of [
    [2, new Error('guest-get-fsinfo is disabled'), new Error('guest-exec is disabled')],
    [2, 'nonsense', 'nonsense'],
    [2, [], { pid: -1 }],
    [3, [], { pid: 1 }, new Error('it is gone')],
    [3, [], { pid: 1 }, 'nonsense'],
  ] as const) {
    asked = 0;
    await readyGuest(answering(...answers));
    t.equal(asked, count);
  }
});

t.test('it has so much time in all, whatever it answers', async (t) => {
  const clock = new ManualClock();
  const limits: number[] = [];
  const answers = [[], { pid: 7 }, { exited: false }, { exited: false }];
  await readyGuest((_command, _args, timeoutMs) => {
    limits.push(timeoutMs);
    clock.advance(10_000);
    return Promise.resolve(answers.shift());
  }, clock);
  t.strictSame(limits, [40_000, 30_000, 20_000, 10_000]);

  limits.length = 0;
  await readyGuest((_command, _args, timeoutMs) => {
    limits.push(timeoutMs);
    clock.advance(timeoutMs);
    return Promise.reject(new Error('it does not answer'));
  }, clock);
  t.strictSame(limits, [40_000], 'one that has not answered is asked for nothing more');
});
