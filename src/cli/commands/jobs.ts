import { UmbraError } from '../../common/errors.js';
import { checkMachineName } from '../../common/names.js';
import { printable } from '../../common/printable.js';
import { requests } from '../../client/requests.js';
import type { JobInfo, JobsResult, ScheduleResult } from '../../protocol/jobs-api.js';
import type { Args } from '../args.js';
import { flagOption, textOption, type Command } from '../command.js';
import { formatSeconds, formatTime } from '../format.js';
import { readPolicyFile } from '../policy-file.js';
import type { Session } from '../session.js';
import { formatTable } from '../table.js';

const MOST_JOBS = 20_000;
const NOT_SCHEDULING = 'This server does nothing by itself: "umbra serve" does.\n';

export const command: Command = {
  usage: '',
  synopsis: '[--machine MACHINE] [--failed] [--limit N] | --next [--policies FILE]',
  description: `List what the server does by itself: the jobs that run, those that wait, and those that have ended, the newest first, with why
they failed. A job that waits is "waiting" for its turn or the end of a quiet window, or "retrying" what failed for a reason that may pass.
With --next, list when something is done next for each machine, and why then.`,
  examples: [
    ['umbra jobs', 'what runs, what waits, and what was done last'],
    ['umbra jobs --failed --machine web1', 'what went wrong with one machine'],
    ['umbra jobs --next', 'the schedule'],
    ['umbra jobs --next --policies new.yaml', 'what it would be by other policies'],
  ],
  next: 'Next: "umbra job ID" shows all of one, "umbra job ID --cancel" cancels it.',
  positionals: {},
  options: {
    machine: textOption('Only those of this machine'),
    failed: flagOption('Only those that failed'),
    limit: textOption('At most so many of those that have ended; 100 without it'),
    next: flagOption('When something is done next'),
    policies: textOption('With --next: by this file instead of the policies that hold'),
  },
  run: async (args, session) => {
    if (args.optionalText('policies') !== undefined && !args.flag('next')) {
      throw new UmbraError('BAD_ARGUMENT', '--policies needs --next', {
        hint: '"umbra jobs --next --policies FILE" shows the schedule by that file; "umbra policy apply FILE" has it hold.',
      });
    }
    await (args.flag('next') ? showNext(args, session) : showJobs(args, session));
    return 'OK';
  },
};

async function showJobs(args: Args, session: Session): Promise<void> {
  const machine = args.optionalText('machine');
  const limit = args.optionalInteger('limit', 0, MOST_JOBS);
  const result = await session.call(
    requests.jobs({
      ...(machine === undefined ? {} : { machine: checkMachineName(machine) }),
      ...(args.flag('failed') ? { failed: true } : {}),
      ...(limit === undefined ? {} : { limit }),
    }),
  );
  session.answer(result, () => describeJobs(result, session.environment.clock.now()));
}

async function showNext(args: Args, session: Session): Promise<void> {
  const machine = args.optionalText('machine');
  const file = args.optionalText('policies');
  const request =
    file === undefined ? requests.schedule() : requests.previewSchedule(readPolicyFile(file, args.path('policies')));
  const { planned, ...rest } = await session.call(request);
  const result = { ...rest, planned: planned.filter((run) => (machine ?? run.machine) === run.machine) };
  session.answer(result, () => describeNext(result));
}

function describeJobs({ jobs, isScheduling }: JobsResult, nowMs: number): string {
  const note = isScheduling ? '' : NOT_SCHEDULING;
  if (jobs.length === 0) return `${note}There are no jobs.\n`;
  const columns = [
    { title: 'JOB', right: true },
    { title: 'MACHINE' },
    { title: 'KIND' },
    { title: 'STATE' },
    { title: 'WHEN' },
    { title: 'TOOK', right: true },
    { title: 'RESULT' },
  ];
  return (
    note +
    formatTable(
      columns,
      jobs.map((job) => row(job, nowMs)),
    )
  );
}

function row(job: JobInfo, nowMs: number): string[] {
  const { id, machine, kind, state, dueAt, notBefore, startedAt, error, shadowCopy, progress } = job;
  const hasBegun = state !== 'waiting' && state !== 'retrying' && startedAt !== undefined;
  const result =
    error === undefined ? (shadowCopy ?? progress?.what ?? '') : `${error.code}: ${printable(error.message)}`;
  return [
    String(id),
    machine,
    kind,
    state,
    formatTime(hasBegun ? startedAt : (notBefore ?? dueAt)),
    took(job, nowMs),
    result,
  ];
}

/** Of the last attempt, if it runs or has ended the job. */
function took({ state, startedAt, endedAt }: JobInfo, nowMs: number): string {
  if (startedAt === undefined || (state !== 'running' && endedAt === undefined)) return '';
  const endMs = endedAt === undefined ? nowMs : Date.parse(endedAt);
  return formatSeconds(Math.max(0, endMs - Date.parse(startedAt)) / 1000);
}

function describeNext({ planned, isScheduling }: ScheduleResult): string {
  const note = isScheduling ? '' : NOT_SCHEDULING;
  if (planned.length === 0) return `${note}No machine is protected.\n`;
  const columns = [{ title: 'MACHINE' }, { title: 'HOST' }, { title: 'KIND' }, { title: 'NEXT' }, { title: 'WHY' }];
  const rows = planned.map(({ machine, host, kind, at, reason, job }) => {
    const named = job === undefined ? reason : `${reason} (job ${job})`;
    return [machine, host, kind, at === undefined ? 'never' : formatTime(at), named];
  });
  return note + formatTable(columns, rows);
}
