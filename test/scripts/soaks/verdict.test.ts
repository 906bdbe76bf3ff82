import t from 'tap';
import { exitCodeOf, neverDone, verdictOf } from '../../../scripts/soaks/verdict.js';
import { Tally } from '../../kit/trust/field/tally.js';

const FINE = { seed: 7, minutes: 61.25, violations: [], isInterrupted: false };

t.test('what a soak says at its end, and its exit code', (t) => {
  const tally = new Tally();
  t.equal(verdictOf(FINE, tally).at(-1), 'verdict: none, as no round was complete');
  t.equal(exitCodeOf(FINE, tally), 130, 'what was not checked is no success');
  tally.rounds = 3;
  tally.add('strikes', 'server killed');
  tally.add('strikes', 'agent killed');
  tally.add('strikes', 'server killed');
  tally.add('shadow copies', 'scan', 3 * 1024 * 1024);
  t.same(verdictOf(FINE, tally), [
    'shadow copies, by what knew the changes: 1 of 3 MiB: scan 1',
    'strikes: 3: agent killed 1, server killed 2',
    'done: 0',
    'broken off, as may be: 0',
    'comparisons of content, by how it was read: 0',
    '3 rounds in 61.3 minutes, seed 7',
    'verdict: every promise held',
  ]);
  t.equal(exitCodeOf(FINE, tally), 0);
  const interrupted = { ...FINE, isInterrupted: true };
  t.match(verdictOf(interrupted, tally).at(-2), /^interrupted after 3 rounds/);
  t.equal(exitCodeOf(interrupted, tally), 0, 'the rounds that were complete are worth what they were');
  const violated = { ...interrupted, violations: ['a', 'b'] };
  t.same(verdictOf(violated, tally).slice(-3), ['VIOLATION: a', 'VIOLATION: b', 'verdict: 2 violations']);
  t.equal(exitCodeOf(violated, tally), 1);
  t.same(neverDone(tally), [], 'nobody expects everything of so few rounds');
  tally.rounds = 6;
  t.ok(neverDone(tally).includes('comparisons: never a restore'));
  t.notOk(neverDone(tally).includes('strikes: never server killed'));
  t.end();
});
