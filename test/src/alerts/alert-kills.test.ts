import t from 'tap';
import { MAX_KILLS, runWorkload } from '../../kit/alert-kills.js';

void t.test('a kill at any write loses nothing, and tells nothing twice but the same message', async (t) => {
  let writes = 0;
  for (let kill = 1; kill <= MAX_KILLS; kill += 1) {
    let wasKilled = false;
    for (const takesEffect of [false, true]) {
      const { told, copies, killed, open } = await runWorkload(kill, takesEffect);
      wasKilled ||= killed;
      const where = `killed ${takesEffect ? 'after' : 'before'} write ${kill}`;
      for (const [channel, events] of told) {
        const doubled = events.filter((event, index) => events.indexOf(event) !== index);
        t.same(doubled, [], `${channel} is told nothing twice, ${where}`);
        for (const machine of ['web', 'db', 'mail']) {
          const begun = events.filter((event) => event.endsWith(machine) && !event.startsWith('end'));
          t.ok(begun.length > 0, `${channel} hears of ${machine}, ${where}`);
        }
        t.ok(events.includes('end web') || events.includes('passed web'), `and that web is over, ${where}`);
      }
      t.ok(copies <= 1, `one message comes twice to a channel at most, ${where}`);
      t.same(open, ['db', 'mail'], where);
    }
    if (!wasKilled) break;
    writes = kill;
  }
  t.ok(writes >= 10 && writes < MAX_KILLS, `${writes} writes were killed`);
});
