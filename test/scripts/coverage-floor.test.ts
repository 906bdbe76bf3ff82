import t from 'tap';
import { judgeCoverage } from '../../scripts/coverage-floor.js';

t.test('coverage below its floor fails', (t) => {
  t.match(judgeCoverage(89.99, 90), { ok: false, message: /fell: 89.99 %/ });
  t.end();
});

t.test('coverage at its floor, and a little above, is fine', (t) => {
  t.match(judgeCoverage(90, 90), { ok: true, message: /floor 90 %/ });
  t.match(judgeCoverage(90.5, 90), { ok: true, message: /floor 90 %/ });
  t.end();
});

t.test('coverage well above its floor asks for a higher one', (t) => {
  t.match(judgeCoverage(91.27, 90), { ok: true, message: /write 91.2 into/ });
  t.end();
});
