import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { failable } from '../../../src/ingest/failable-frames.js';
import type { WireFrame } from '../../../src/protocol/frames.js';

function frame(released: string[], name: string): WireFrame {
  return { header: { name }, body: Buffer.alloc(0), release: () => released.push(name) };
}

t.test('frames come until they fail; one that comes later is released', async (t) => {
  const released: string[] = [];
  let arrive = (_frame: WireFrame): void => undefined;
  async function* source(): AsyncGenerator<WireFrame, void> {
    yield frame(released, 'first');
    yield await new Promise<WireFrame>((resolve) => (arrive = resolve));
  }
  const { next, fail } = failable(source());
  t.match(await next(), { header: { name: 'first' } });
  const pending = next();
  await new Promise(setImmediate);
  fail(new Error('cancelled'));
  fail(new Error('again'));
  await t.rejects(pending, { message: 'cancelled' });
  t.strictSame(released, [], 'the first one is of whoever took it');
  arrive(frame(released, 'late'));
  await new Promise(setImmediate);
  t.strictSame(released, ['late']);
  await t.rejects(next(), { message: 'cancelled' }, 'and so it stays');
});

t.test('the end, and a connection that is lost', async (t) => {
  async function* none(): AsyncGenerator<WireFrame, void> {
    // It ends at once.
  }
  t.equal(await failable(none()).next(), undefined);
  const cut = { next: () => Promise.reject(new Error('reset')) };
  await t.rejects(failable(cut).next(), { code: 'CANCELLED', message: /was lost/ });
  const forged = { next: () => Promise.reject(new UmbraError('BAD_ARGUMENT', 'no frame')) };
  await t.rejects(failable(forged).next(), { code: 'BAD_ARGUMENT' });
});

t.test('a frame that was taken stays in memory no longer than its taker', async (t) => {
  const bodies: WeakRef<Buffer>[] = [];
  async function* source(): AsyncGenerator<WireFrame, void> {
    for (let index = 0; index < 20; index++) {
      const body = Buffer.allocUnsafeSlow(100_000);
      bodies.push(new WeakRef(body));
      yield { header: {}, body };
    }
    await new Promise(() => undefined);
  }
  const { next } = failable(source());
  for (let index = 0; index < 20; index++) await next();
  void next();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < 5; turn++) {
    collect();
    await new Promise(setImmediate);
  }
  const left = bodies.filter((body) => body.deref() !== undefined).length;
  t.ok(left <= 2, `${left} of 20`);
});
