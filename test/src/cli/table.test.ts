import t from 'tap';
import { formatPairs, formatTable } from '../../../src/cli/table.js';

void t.test('columns are aligned, and lines have no spaces at their ends', async (t) => {
  const columns = [{ title: 'NAME' }, { title: 'SIZE', right: true }, { title: 'X' }];
  t.equal(
    formatTable(columns, [
      ['web1', '1', 'a'],
      ['database', '1024', ''],
    ]),
    'NAME      SIZE  X\nweb1         1  a\ndatabase  1024\n',
  );
  t.equal(formatTable(columns, []), 'NAME  SIZE  X\n');
});

void t.test('pairs', async (t) => {
  t.equal(
    formatPairs([
      ['a', '1'],
      ['long name', '2'],
    ]),
    'a:         1\nlong name: 2\n',
  );
});
