import t from 'tap';
import { Circumstances } from '../../../scripts/simulation/circumstances.js';
import { History } from '../../../scripts/simulation/history.js';
import { Model } from '../../../scripts/simulation/model.js';
import type { Pending } from '../../../scripts/simulation/model-machine.js';
import { BUILT_IN, type SimDocument, type SimPolicy } from '../../../scripts/simulation/sim-policies.js';
import { Verdict } from '../../../scripts/simulation/verdict.js';
import { WorldClock } from '../../../scripts/simulation/world-clock.js';

const HOUR_MS = 3_600_000;
const BEGIN_MS = Date.parse('2027-03-01T00:00:00Z');

function keeping(last: number): SimPolicy {
  const rhythm = { everyHours: 4 };
  const keep = { counting: 'proxmox', last } as const;
  return { rhythm, timeZone: 'UTC', keep, dataLossHours: 24, quiet: [], mustBeFilesystem: false, minimumAgeHours: 0 };
}

const BY_HOST: SimDocument = {
  ...BUILT_IN,
  policies: new Map([...BUILT_IN.policies, ['few', keeping(1)], ['many', keeping(9)]]),
  hosts: new Map([
    ['hv1', { policy: 'many' }],
    ['hv2', { policy: 'few' }],
  ]),
};

function pending(sentMs: number): Pending {
  return { kind: 'shadow-copy', content: new Map(), volumes: 1, wallMs: BEGIN_MS + sentMs, sentMs };
}

void t.test(
  'a machine that was moved, and is protected no more, is in the group of the host that it was moved to',
  (t) => {
    const clock = new WorldClock(BEGIN_MS);
    const verdict = new Verdict();
    const history = new History(clock, () => undefined);
    const circumstances = new Circumstances(clock);
    const model = new Model({ clock, circumstances, verdict, history, isDamaged: () => false }, BY_HOST);
    const machine = model.machine('m1');
    model.protect('m1', 'hv2');
    for (const name of ['first', 'second']) {
      clock.passedMs += HOUR_MS;
      model.made(machine, { name, timeMs: clock.wallMs }, pending(clock.passedMs));
    }
    t.equal(model.policyOf(machine).keep?.last, 1);
    model.protect('m1', 'hv1');
    t.equal(model.policyOf(machine).keep?.last, 9, 'at once, and not with the first that its agent makes');
    model.protect('m1', undefined);
    model.pruned(machine, model.beginPrune(machine), new Set(), true);
    t.equal(verdict.violation, undefined, 'none had to be deleted');
    model.pruned(machine, model.beginPrune(machine), new Set(['first']), true);
    t.match(verdict.violation, { invariant: 'pruned as in the model' }, 'and none may be');
    t.end();
  },
);
