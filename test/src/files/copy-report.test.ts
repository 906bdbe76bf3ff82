import t from 'tap';
import { CopyReport } from '../../../src/files/copy-report.js';

t.test('what is so for many files is told once', async (t) => {
  const report = new CopyReport();
  for (let index = 0; index < 30; index++) {
    report.addAlike('metadata', `/${index}`, 'mode could not be set');
    report.addAlike('metadata', `/${index}`, 'times could not be set');
  }
  report.add('read', '/x', 'damaged');
  t.same(report.problems, [
    { path: '/0', kind: 'metadata', reason: 'mode could not be set', count: 30 },
    { path: '/0', kind: 'metadata', reason: 'times could not be set', count: 30 },
    { path: '/x', kind: 'read', reason: 'damaged' },
  ]);
  t.same(report.problemCounts, { read: 1, write: 0, metadata: 60 });
});

t.test('no more than 1,000 are told', async (t) => {
  const report = new CopyReport();
  for (let index = 0; index < 1_100; index++) report.add('write', `/${index}`, 'no');
  for (let index = 0; index < 2; index++) report.addAlike('metadata', '/x', 'mode could not be set');
  t.equal(report.problems.length, 1_000);
  t.same(report.problemCounts, { read: 0, write: 1_100, metadata: 2 });
});
