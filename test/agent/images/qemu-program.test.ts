import t from 'tap';
import { qemuError, runQemuImg } from '../../../agent/images/qemu-program.js';

t.test('locks are told from damage', async (t) => {
  const locked = 'qemu-nbd: Failed to get shared "write" lock\nIs another process using the image [/a]?\n';
  t.match(qemuError('/a', locked), {
    code: 'IMAGE_IN_USE',
    message: /^\/a is in use by another program: Failed to get/,
  });
  t.match(qemuError('/a', 'qemu-img: Image is corrupt\x1b[2J'), {
    code: 'IMAGE_FORMAT',
    message: 'QEMU cannot read /a: Image is corrupt [2J',
  });
  t.match(qemuError('/a', 'qemu-img: /a: Could not resize image: No space left on device\n'), {
    code: 'IMAGE_FAILED',
    message: /^the disk of \/a is full: /,
    cause: { code: 'ENOSPC' },
  });
  t.match(qemuError('/a', ''), { message: 'QEMU cannot read /a: no reason given' });
  t.ok(qemuError('/a', 'x'.repeat(100_000)).message.length < 600);
});

t.test('a program that fails', async (t) => {
  await t.rejects(runQemuImg('/a', ['info', '/does/not/exist']), { code: 'IMAGE_FORMAT', message: /No such file/ });
  t.match(await runQemuImg('/a', ['--version']), /qemu-img version/);
});
