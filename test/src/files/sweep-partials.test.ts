import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isAbandoned, newPartialName } from '../../../src/files/partial-names.js';
import { sweepPartials } from '../../../src/files/sweep-partials.js';
import { TargetDirectory } from '../../../src/files/target-directory.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** Of a process that is no more. */
function deadName(): string {
  return newPartialName(spawnSync('true').pid);
}

t.test('whose name is whose', async (t) => {
  t.equal(isAbandoned(deadName()), true);
  t.equal(isAbandoned(newPartialName()), false, 'of this process');
  t.equal(isAbandoned(newPartialName(1)), false, 'of one that runs');
  const [, where = ''] = /^\.umbra-([0-9a-f]+)-/.exec(deadName()) ?? [];
  t.equal(isAbandoned(deadName().replace(where, '00000000')), false, 'of another machine');
  for (const name of ['', 'a', '.umbra-0123456789abcdef.partial', `${deadName()}x`, `x${deadName()}`]) {
    t.equal(isAbandoned(name), false, name);
  }
});

t.test('what killed copies left is taken away', async (t) => {
  const at = temporaryDirectory(t);
  const [file, link, room, full, foreign] = [deadName(), deadName(), deadName(), deadName(), deadName()];
  const live = newPartialName();
  for (const name of [file, foreign, live, 'kept']) writeFileSync(join(at, name), 'x');
  symlinkSync('kept', join(at, link));
  for (const name of [room, full]) mkdirSync(join(at, name));
  symlinkSync('kept', join(at, room, deadName()));
  writeFileSync(join(at, full, 'mine'), 'x');
  chownSync(join(at, foreign), 12_345, 0);
  const directory = await TargetDirectory.open(at);
  await sweepPartials(directory);
  t.same(readdirSync(at).sort(), [foreign, full, live, 'kept'].sort());
  await directory.close();
  // It can't be listed any more, and that is no error.
  await sweepPartials(directory);
});
