import t from 'tap';
import { Budget } from '../../../mount/blocks/budget.js';

t.test('work ends when the budget is used up', async (t) => {
  const budget = new Budget(3, 'nodes of the tree');
  budget.spend();
  budget.spend(2);
  t.throws(
    () => {
      budget.spend();
    },
    { code: 'FILESYSTEM_DAMAGED', message: /too many nodes of the tree/ },
  );
});
