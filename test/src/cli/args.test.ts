import t from 'tap';
import { Args } from '../../../src/cli/args.js';

const args = (raw: Record<string, unknown>): Args => new Args(raw, '/here');

void t.test('text is one value', async (t) => {
  t.equal(args({ to: 'x' }).text('to'), 'x');
  t.equal(args({}).optionalText('to'), undefined);
  t.throws(() => args({}).text('to'), { code: 'BAD_ARGUMENT', message: '--to is missing' });
  t.throws(() => args({}).text('MACHINE'), { message: 'MACHINE is missing' });
  t.throws(() => args({ to: ['a', 'b'] }).text('to'), { message: '--to is given twice' });
  t.throws(() => args({ to: '' }).text('to'), { message: '--to needs a value' });
});

void t.test('texts are any number of values', async (t) => {
  t.same(args({}).texts('name'), []);
  t.same(args({ name: 'a' }).texts('name'), ['a']);
  t.same(args({ name: ['a', 'b'] }).texts('name'), ['a', 'b']);
  t.throws(() => args({ name: ['a', ''] }).texts('name'), { message: '--name needs a value' });
});

void t.test('numbers and choices have limits', async (t) => {
  t.equal(args({ level: '3' }).optionalInteger('level', 1, 19), 3);
  for (const level of ['0', '20', '1.5', '-1', '1e1', 'x']) {
    t.throws(() => args({ level }).optionalInteger('level', 1, 19), {
      message: /--level must be a whole number from 1/,
    });
  }
  t.equal(args({ codec: 'lz4' }).optionalChoice('codec', ['zstd', 'lz4']), 'lz4');
  t.throws(() => args({ codec: 'zip' }).optionalChoice('codec', ['zstd', 'lz4']), { message: /one of zstd, lz4/ });
});

void t.test('paths are made absolute', async (t) => {
  t.equal(args({ to: '../a' }).path('to'), '/a');
  t.equal(args({ to: '/b/' }).path('to'), '/b');
});
