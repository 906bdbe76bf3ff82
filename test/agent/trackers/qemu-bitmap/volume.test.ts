import t, { type Test } from 'tap';
import { bitmapContext } from '../../../../agent/images/nbd/constants.js';
import { READING_BITMAP } from '../../../../agent/trackers/qemu-bitmap/names.js';
import { openFleecedVolume } from '../../../../agent/trackers/qemu-bitmap/volume.js';
import { fakeNbdServer, optionReply, packed, replyChunk, type FakeRequest } from '../../../kit/fake-nbd-server.js';

const SIZE = 1024 * 1024;
const DISK = { name: 'vda', path: '/images/vda', format: 'raw', sizeBytes: SIZE, bitmap: READING_BITMAP } as const;

/** A server with the contexts that it is asked for, or with none; requests fail with `errno`. */
async function server(t: Test, contexts: readonly string[], errno: number, sizeBytes = SIZE): Promise<string> {
  let left = [...contexts];
  return await fakeNbdServer(t, {
    sizeBytes: BigInt(sizeBytes),
    option(number) {
      if (number !== 10) return undefined;
      const [context, ...others] = left;
      left = others;
      const ack = optionReply(10, 1);
      return context === undefined
        ? ack
        : Buffer.concat([optionReply(10, 4, Buffer.from(`\0\0\0\x09${context}`)), ack]);
    },
    request(request: FakeRequest, socket) {
      socket.write(replyChunk(request, 1, 0x8001, packed([4, errno], [2, 0])));
    },
  });
}

t.test('a server that does not have what was asked for', async (t) => {
  const none = openFleecedVolume(DISK, await server(t, [], 5), 'x');
  await t.rejects(none, { code: 'IMAGE_CHANGED', message: /QEMU does not say base:allocation/ });
  const noBitmap = openFleecedVolume(DISK, await server(t, ['base:allocation'], 5), 'x');
  await t.rejects(noBitmap, { code: 'IMAGE_CHANGED', message: /does not say qemu:dirty-bitmap:umbra-reading/ });
  const other = openFleecedVolume(DISK, await server(t, ['base:allocation'], 5, SIZE + 512), 'x');
  await t.rejects(other, { code: 'IMAGE_CHANGED', message: /was resized/ });
});

t.test('an error of the disk is none of the view', async (t) => {
  const contexts = ['base:allocation', bitmapContext(READING_BITMAP)];
  const bad = await openFleecedVolume(DISK, await server(t, contexts, 5), 'x');
  await t.rejects(bad.read(Buffer.alloc(512), 0), { code: 'IMAGE_FAILED', message: /vda cannot be read: .*EIO/ });
  await t.rejects(bad.changes()[Symbol.asyncIterator]().next(), { code: 'IMAGE_FAILED' });
  await t.rejects(bad.read(Buffer.alloc(512), SIZE), { code: 'INTERNAL' }, 'outside of the volume');
  await bad.close();
  const lost = await openFleecedVolume(DISK, await server(t, contexts, 22), 'x');
  await t.rejects(lost.read(Buffer.alloc(512), 0), { code: 'IMAGE_CHANGED', message: /no room/ });
  await lost.close();
  const unknown = await openFleecedVolume({ ...DISK, bitmap: undefined }, await server(t, contexts, 5), 'x');
  await t.rejects(unknown.changes()[Symbol.asyncIterator]().next(), { code: 'INTERNAL' });
  await unknown.close();
});
