import { execFileSync } from 'node:child_process';
import t from 'tap';

t.test('the process goes on as before, with fewer compilations', async (t) => {
  const module = new URL('../../../src/server/tune-process.js', import.meta.url).href;
  const clock = new URL('../../../src/common/clock.js', import.meta.url).href;
  const program = `
    const { systemClock } = await import(${JSON.stringify(clock)});
    const { tuneProcess } = await import(${JSON.stringify(module)});
    tuneProcess(systemClock);
    let sum = 0;
    for (let index = 0; index < 1e7; index++) sum += index % 7;
    console.log(sum);
  `;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  t.equal(printed.trim(), String(29_999_994));
});
