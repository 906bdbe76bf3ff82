import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../client/requests.js';
import { ERROR_CODES } from '../../common/error-codes.js';
import { isErrorCode, UmbraError } from '../../common/errors.js';
import type { ExitCodeName } from '../../common/exit-codes.js';
import { printable } from '../../common/printable.js';
import type { JobDetails, JobLogLine } from '../../protocol/jobs-api.js';
import { flagOption, word, type Command } from '../command.js';
import { formatTime } from '../format.js';
import { ProgressBar } from '../progress-bar.js';
import type { Session } from '../session.js';
import { formatPairs } from '../table.js';

const FOLLOW_MS = 500;

export const command: Command = {
  usage: '<ID>',
  synopsis: 'ID [--follow | --cancel]',
  description: `Show a job of the server: its state, how far it is, and what it has to say. With --follow, show that until it has ended; the exit
code is 0 if it was done, 130 if it was cancelled, and that of its error if it failed. --cancel cancels it: what it was to do is done
when its machine is due again.`,
  examples: [
    ['umbra job 12', 'all about one'],
    ['umbra job 12 --follow && echo done', 'wait until it has ended'],
    ['umbra job 12 --cancel', 'not now'],
  ],
  next: 'Next: "umbra jobs" lists all.',
  positionals: { ID: word('Its number, as "umbra jobs" shows') },
  options: {
    follow: flagOption('Go on until it has ended'),
    cancel: flagOption('Cancel it'),
  },
  run: async (args, session) => {
    const id = parseId(args.text('ID'));
    const [follow, cancel] = [args.flag('follow'), args.flag('cancel')];
    if (follow && cancel) throw new UmbraError('BAD_ARGUMENT', '--follow and --cancel do not go together');
    if (cancel) {
      const job = await session.call(requests.cancelJob({ id }));
      session.answer(job, () => `job ${id} is ${job.state === 'running' ? 'being cancelled' : job.state}\n`);
      return 'OK';
    }
    const job = await session.call(requests.job({ id }));
    if (follow) return await followJob(session, job);
    session.answer(job, () => describe(job) + job.log.map(lineOf).join(''));
    return 'OK';
  },
};

function parseId(text: string): number {
  const id = /^[1-9]\d{0,14}$/.test(text) ? Number(text) : NaN;
  if (!Number.isNaN(id)) return id;
  throw new UmbraError('BAD_ARGUMENT', `a job has a number, not "${text}"`, { hint: 'Run "umbra jobs" to see them.' });
}

/** Only a server that runs is asked: one that a command started would take the store from the one that has the job. */
async function followJob(session: Session, first: JobDetails): Promise<ExitCodeName> {
  const { stdout, stderr, clock, interrupted } = session.environment;
  const bar = new ProgressBar(stderr, clock);
  const told = new Set<string>();
  let job = first;
  try {
    for (;;) {
      const lines = job.log.map(lineOf).filter((line) => !told.has(line));
      for (const line of lines) told.add(line);
      bar.clear();
      if (!session.json && lines.length > 0) stdout.write(lines.join(''));
      if (hasEnded(job)) break;
      if (!session.json && job.progress !== undefined) bar.show(job.progress);
      await sleep(FOLLOW_MS, undefined, { signal: interrupted }).catch(() => undefined);
      job = await session.client().call(requests.job({ id: job.id }));
    }
  } finally {
    bar.clear();
  }
  session.answer(job, () => describe(job));
  return outcomeOf(job);
}

function hasEnded({ state }: JobDetails): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

function outcomeOf({ state, error }: JobDetails): ExitCodeName {
  if (state === 'done') return 'OK';
  if (state === 'cancelled') return 'CANCELLED';
  return isErrorCode(error?.code) ? ERROR_CODES[error.code].exit : 'INTERNAL';
}

function describe(job: JobDetails): string {
  const { error, progress, shadowCopy, consistency = 'made' } = job;
  const pairs: (readonly [string, string | undefined])[] = [
    ['job', `${job.id}, ${job.kind} of ${job.machine}`],
    ['state', job.attempts > 1 ? `${job.state}, attempt ${job.attempts}` : job.state],
    ['due', formatTime(job.dueAt)],
    ['not before', job.notBefore && formatTime(job.notBefore)],
    ['begun', job.startedAt && formatTime(job.startedAt)],
    ['ended', job.endedAt && formatTime(job.endedAt)],
    ['shadow copy', shadowCopy && `${job.machine}@${shadowCopy}, ${consistency}`],
    ['error', error && `${error.code}: ${printable(error.message)}`],
    ['', error?.hint === undefined ? undefined : printable(error.hint)],
    ['progress', progress?.what],
  ];
  return formatPairs(pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

function lineOf({ time, text }: JobLogLine): string {
  return `${formatTime(time)}  ${printable(text)}\n`;
}
