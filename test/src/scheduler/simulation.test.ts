import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { DEFAULT_POLICY } from '../../../src/policies/default-policy.js';
import type { Policy, Rhythm } from '../../../src/policies/policy.js';
import { quietUntil } from '../../../src/policies/quiet.js';
import { nextRun } from '../../../src/policies/rhythm.js';
import type { JobKind } from '../../../src/protocol/jobs-api.js';
import { Random, testSeed } from '../../kit/random.js';
import { ScheduleLab, type Tried } from '../../kit/schedule-lab.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.parse('2027-03-01T12:00:00Z');
const END_MS = Date.parse('2028-01-01T12:00:00Z');
/** No server runs: what happens between the changes of the clocks happens often enough around them. */
const LONG_OUTAGES = [
  { fromMs: Date.parse('2027-04-12T00:00:00Z'), toMs: Date.parse('2027-09-25T00:00:00Z') },
  { fromMs: Date.parse('2027-11-15T00:00:00Z'), toMs: Date.parse('2027-12-29T00:00:00Z') },
] as const;
/** So long after it could be done, it is begun: the others of its host, one after the other, and what they fail. */
const BOUND_MS = 8 * HOUR_MS;

function policy(shadowCopies: Rhythm, timeZone: string, more: Partial<Policy> = {}): Policy {
  return { ...DEFAULT_POLICY, shadowCopies, timeZone, ...more };
}

const night = { days: [0, 1, 2, 3, 4, 5, 6], from: 22 * 60, to: 3 * 60 };
const POLICIES: Readonly<Record<string, Policy>> = {
  nightly: policy({ kind: 'calendar', cron: ['30 2 * * *'] }, 'Europe/Zurich'),
  island: policy({ kind: 'calendar', cron: ['15 2 * * SUN,WED'] }, 'Australia/Lord_Howe'),
  weekly: policy({ kind: 'calendar', cron: ['0 0 * * SUN'] }, 'America/Havana'),
  quiet: policy({ kind: 'calendar', cron: ['0 23 * * *'] }, 'Europe/Zurich', { quiet: [night] }),
  often: policy({ kind: 'interval', everyMs: 24 * HOUR_MS }, 'UTC', { quiet: [night] }),
  broken: policy({ kind: 'interval', everyMs: 60 * HOUR_MS }, 'UTC'),
  slow: policy({ kind: 'interval', everyMs: 48 * HOUR_MS }, 'UTC'),
  replicated: policy({ kind: 'calendar', cron: ['0 22 * * SUN,THU'] }, 'Europe/Zurich', {
    replicate: { kind: 'interval', everyMs: 16 * HOUR_MS },
    quiet: [night],
  }),
  mirrored: policy({ kind: 'interval', everyMs: 72 * HOUR_MS }, 'UTC', {
    replicate: { kind: 'calendar', cron: ['30 2,14 * * *'] },
    timeZone: 'America/Havana',
  }),
};
const MACHINES = Object.keys(POLICIES).map((name, index) => ({ name, host: index % 2 === 0 ? 'hv1' : 'hv2' }));

const KINDS = ['shadow-copy', 'replicate'] as const;

function rhythmOf({ shadowCopies, replicate }: Policy, kind: JobKind): Rhythm | undefined {
  return kind === 'replicate' ? replicate : shadowCopies;
}

/** All times at which a machine is due, of calendars. */
function dueTimes(its: Policy, kind: JobKind): number[] {
  const times: number[] = [];
  const rhythm = rhythmOf(its, kind);
  if (rhythm === undefined || rhythm.kind === 'interval') return times;
  for (let at = nextRun(rhythm, its.timeZone, START_MS); at !== undefined && at < END_MS;) {
    times.push(at);
    at = nextRun(rhythm, its.timeZone, at);
  }
  return times;
}

/** A shadow copy is a replication, too. */
function countsAs(made: JobKind, kind: JobKind): boolean {
  return made === kind || made === 'shadow-copy';
}

/** What must be true of every scheduler, said as plainly as it goes. */
class Model {
  readonly wrong: string[] = [];
  readonly #due = new Map(
    KINDS.flatMap((kind) => Object.entries(POLICIES).map(([name, its]) => [`${name} ${kind}`, dueTimes(its, kind)])),
  );
  readonly #begun = new Map<string, number>();
  readonly #made = new Map<string, number>();
  /** Since when a server runs that may begin what is due. */
  upMs = START_MS;

  begin(tried: Tried, running: readonly Tried[]): void {
    const { machine, host, beganMs, kind } = tried;
    const its = POLICIES[machine] ?? DEFAULT_POLICY;
    if (running.some((other) => other.machine === machine)) this.#say('two at once', tried);
    if (running.filter((other) => other.host === host).length >= 1) this.#say('more than its host bears', tried);
    if (quietUntil(its.quiet, its.timeZone, beganMs) !== undefined) this.#say('in a quiet window', tried);
    if (kind === 'replicate' && this.#dueAfter(machine, 'shadow-copy', this.#lastOf(this.#begun, tried)) <= beganMs)
      this.#say('replicated though a shadow copy is due', tried);
    this.#note(this.#begun, tried);
  }

  made(tried: Tried): void {
    const { machine, beganMs, kind } = tried;
    const lastMs = this.#made.get(`${machine} ${kind}`) ?? -Infinity;
    if (!(this.#dueAfter(machine, kind, lastMs) <= beganMs)) this.#say('done though it was not due', tried);
    this.#note(this.#made, tried);
  }

  /** A server has run until now: what was due has been begun in time. */
  look(nowMs: number): void {
    for (const { name, host } of MACHINES) {
      const its = POLICIES[name] ?? DEFAULT_POLICY;
      for (const kind of KINDS) {
        const dueMs = this.#dueAfter(name, kind, this.#begun.get(`${name} ${kind}`) ?? -Infinity);
        const couldMs = Math.max(dueMs, this.upMs);
        const fromMs = quietUntil(its.quiet, its.timeZone, couldMs) ?? couldMs;
        const tried = { machine: name, host, beganMs: dueMs, kind };
        if (nowMs > fromMs + BOUND_MS) this.#say(`not begun until ${new Date(nowMs).toISOString()}, but due`, tried);
      }
    }
  }

  #lastOf(times: ReadonlyMap<string, number>, { machine }: Tried): number {
    return times.get(`${machine} shadow-copy`) ?? -Infinity;
  }

  #note(times: Map<string, number>, { machine, beganMs, kind }: Tried): void {
    for (const other of KINDS) if (countsAs(kind, other)) times.set(`${machine} ${other}`, beganMs);
  }

  #dueAfter(machine: string, kind: JobKind, lastMs: number): number {
    const rhythm = rhythmOf(POLICIES[machine] ?? DEFAULT_POLICY, kind);
    if (rhythm === undefined) return Infinity;
    if (rhythm.kind === 'interval') return Math.max(lastMs + rhythm.everyMs, START_MS);
    return this.#due.get(`${machine} ${kind}`)?.find((dueMs) => dueMs > lastMs) ?? Infinity;
  }

  #say(what: string, { machine, beganMs, kind }: Tried): void {
    this.wrong.push(`${machine}: ${kind} ${what}, ${new Date(beganMs).toISOString()}`);
  }
}

void t.test('a year with outages, and a server that dies at any durable write', async (t) => {
  const random = new Random(testSeed(t));
  const model = new Model();
  const lab = new ScheduleLab({
    startMs: START_MS,
    machines: MACHINES,
    policies: POLICIES,
    limits: () => ({ concurrent: 1 }),
    random: random.fraction,
    course: (machine) => {
      const takesMs = random.between(1, machine === 'slow' ? 90 : 45) * MINUTE_MS;
      if (machine === 'broken') return { takesMs, error: new UmbraError('AGENT_UNREACHABLE', 'nobody is there') };
      if (random.chance(0.1)) return { takesMs, error: new UmbraError('TRACKER_BUSY', 'a job runs') };
      if (random.chance(0.03)) return { takesMs, error: new UmbraError('TRACKER_UNAVAILABLE', 'no tracker') };
      return { takesMs };
    },
    onBegin: (tried, running) => {
      model.begin(tried, running);
    },
    onMade: (tried) => {
      model.made(tried);
    },
  });
  let lives = 0;
  while (lab.clock.now() < END_MS) {
    lives += 1;
    model.upMs = lab.clock.now();
    await lab.start(random.between(1, 90));
    // Lives end at a write, some of them in order.
    const untilMs = Math.min(END_MS, lab.clock.now() + random.between(1, 10) * DAY_MS);
    for (let isGoingOn = true; isGoingOn && lab.isAlive();) {
      isGoingOn = await lab.step(untilMs);
      if (lab.isAlive()) model.look(lab.clock.now());
    }
    await lab.stop();
    // Some outages are short, some take days.
    lab.clock.advance(random.chance(0.7) ? random.below(HOUR_MS) : random.below(3 * DAY_MS));
    const nowMs = lab.clock.now();
    const outage = LONG_OUTAGES.find(({ fromMs, toMs }) => fromMs <= nowMs && nowMs < toMs);
    if (outage !== undefined) lab.clock.advance(outage.toMs - nowMs);
  }
  t.same(model.wrong, []);
  t.ok(lives > 15, `${lives} lives`);
  for (const { name } of MACHINES) {
    for (const kind of KINDS) {
      const times = lab.made.filter((made) => made.machine === name && made.kind === kind).length;
      const isNever = name === 'broken' || rhythmOf(POLICIES[name] ?? DEFAULT_POLICY, kind) === undefined;
      t.ok(isNever ? times === 0 : times >= 8, `${name}: ${kind} ${times} times`);
    }
  }
});
