import t from 'tap';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('its options have limits', async (t) => {
  t.match(await runUmbra(['serve', '--idle-exit', 'soon'], '/nowhere'), { code: 2 });
  t.match(await runUmbra(['serve', '--idle-exit', '86401'], '/nowhere'), { code: 2 });
});
