import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import type { ExitCodeName } from '../../common/exit-codes.js';
import { printable } from '../../common/printable.js';
import type { AlertsResult, ChannelTest, TestAlertsRequest } from '../../protocol/alerts-api.js';
import { activeText, alertCountsText, channelsText, recentText } from '../alerts-text.js';
import type { Args } from '../args.js';
import { flagOption, textOption, word, type Command } from '../command.js';
import type { Session } from '../session.js';

const MOST_RECENT = 1000;

export const command: Command = {
  usage: '[ACTION] [CHANNEL]',
  synopsis: '[--limit N] | --check | test [CHANNEL]',
  description: `List what goes wrong, the worst first, what has ended, and who is told of it: the channels below "notify" in the configuration of
"umbra serve". "test" tells one of them, or all, that nothing is wrong, and prints what came of it. With --check, say in one line what is wrong,
for programs that watch: the exit code is 0 when nothing is, 15 when an alert goes on, and 11 when no server answers.`,
  examples: [
    ['umbra alerts', 'what is wrong, and what was'],
    ['umbra alerts test', 'whether everybody can be told'],
    ['umbra alerts --check', 'for monitoring; the exit code is 15 when an alert goes on'],
  ],
  next: 'Next: what an alert says to do. "umbra status" shows the machines.',
  positionals: { ACTION: word('test'), CHANNEL: word('test: its name; all of them without it') },
  options: {
    limit: textOption('At most so many of those that have ended; 20 without it'),
    check: flagOption('Say in one line what is wrong, and with the exit code whether anything is'),
  },
  run: async (args, session) => {
    const limit = args.optionalInteger('limit', 0, MOST_RECENT);
    if (args.optionalChoice('ACTION', ['test']) === 'test') return await test(args, session);
    if (args.flag('check')) return await check(session);
    const result = await session.call(requests.alerts(limit === undefined ? {} : { limit }));
    session.answer(result, () => activeText(result.active) + recentText(result.recent) + channelsText(result.channels));
    return 'OK';
  },
};

/** Only a server that runs is asked: one that a command started tells nobody. */
async function check(session: Session): Promise<ExitCodeName> {
  const result = await session.client().call(requests.alerts({ limit: 0 }));
  session.answer(result, () => checkText(result));
  return result.active.length === 0 ? 'OK' : 'ALERT';
}

function checkText({ active }: AlertsResult): string {
  if (active.length === 0) return 'OK: nothing is wrong\n';
  const critical = active.filter(({ severity }) => severity === 'critical').length;
  const counts = alertCountsText({ critical, warning: active.length - critical });
  const named = active.map(({ kind, subject }) => `${kind} ${printable(subject)}`).join(', ');
  return `ALERT: ${counts}; ${named}\n`;
}

async function test(args: Args, session: Session): Promise<ExitCodeName> {
  if (args.flag('check')) throw new UmbraError('BAD_ARGUMENT', '--check and "test" do not go together');
  const channel = args.optionalText('CHANNEL');
  const request: TestAlertsRequest = channel === undefined ? {} : { channel };
  const result = await session.client().call(requests.testAlerts(request));
  session.answer(result, () => result.tests.map(testText).join(''));
  return result.tests.every(({ error }) => error === undefined) ? 'OK' : 'SERVER';
}

function testText({ channel, type, target, notes, error }: ChannelTest): string {
  const head = `${channel}: ${type} to ${target}: ${error === undefined ? 'delivered' : `FAILED: ${printable(error)}`}\n`;
  return head + notes.map((note) => `    ${printable(note)}\n`).join('');
}
