import t from 'tap';

import { NodeLevel } from '../../../src/store/level-database.js';

t.test('the package level does what only Node.js can', async (t) => {
  const directory = t.testdir();
  const database = new NodeLevel<string, string>(directory);
  await database.put('key', 'value');
  await database.compactRange('a', 'z');
  await database.close();
  await NodeLevel.repair(directory);
  const repaired = new NodeLevel<string, string>(directory);
  t.equal(await repaired.get('key'), 'value');
  await repaired.close();
});
