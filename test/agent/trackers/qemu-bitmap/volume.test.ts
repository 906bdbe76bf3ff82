import t, { type Test } from 'tap';
import { bitmapContext } from '../../../../agent/images/nbd/constants.js';
import { READING_BITMAP } from '../../../../agent/trackers/qemu-bitmap/names.js';
import { openFleecedVolume } from '../../../../agent/trackers/qemu-bitmap/volume.js';
import { fakeNbdServer, optionReply, packed, replyChunk, type FakeRequest } from '../../../kit/fake-nbd-server.js';

const SIZE = 1024 * 1024;
const nobodyKnows = (): Promise<undefined> => Promise.resolve(undefined);
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
  const none = openFleecedVolume(DISK, await server(t, [], 5), 'x', nobodyKnows);
  await t.rejects(none, { code: 'IMAGE_CHANGED', message: /QEMU does not say base:allocation/ });
  const noBitmap = openFleecedVolume(DISK, await server(t, ['base:allocation'], 5), 'x', nobodyKnows);
  await t.rejects(noBitmap, { code: 'IMAGE_CHANGED', message: /does not say qemu:dirty-bitmap:umbra-reading/ });
  const other = openFleecedVolume(DISK, await server(t, ['base:allocation'], 5, SIZE + 512), 'x', nobodyKnows);
  await t.rejects(other, { code: 'IMAGE_CHANGED', message: /was resized/ });
});

const KIB = 1024;

/** A server of a larger disk: what it answers to a question for the bitmap or the allocation, and the questions. */
async function statusServer(
  t: Test,
  sizeBytes: number,
  answers: Readonly<
    Record<'bitmap' | 'allocation', (offset: number, length: number) => readonly (readonly [number, number])[]>
  >,
): Promise<{ readonly path: string; readonly asked: () => readonly number[] }> {
  const left = ['base:allocation', bitmapContext(READING_BITMAP)];
  const asked: number[] = [];
  // The bitmap is asked first, on a connection of its own.
  const kinds = new Map<unknown, 'bitmap' | 'allocation'>();
  const path = await fakeNbdServer(t, {
    sizeBytes: BigInt(sizeBytes),
    option: (number) =>
      number === 10
        ? Buffer.concat([optionReply(10, 4, Buffer.from(`\0\0\0\x09${left.shift() ?? ''}`)), optionReply(10, 1)])
        : undefined,
    request(request: FakeRequest, socket) {
      if (request.type !== 7) return;
      const kind = kinds.get(socket) ?? (kinds.size === 0 ? 'bitmap' : 'allocation');
      kinds.set(socket, kind);
      const offset = Number(request.offset);
      if (kind === 'allocation') asked.push(offset);
      const extents = answers[kind](offset, request.length).flatMap(
        ([length, flags]) =>
          [
            [4, length],
            [4, flags],
          ] as const,
      );
      socket.write(replyChunk(request, 1, 5, packed([4, 9], ...extents)));
    },
  });
  return { path, asked: () => asked };
}

t.test('changes that lie near each other need no question each', async (t) => {
  const sizeBytes = 200 * KIB * KIB;
  const step = 128 * KIB;
  const { path, asked } = await statusServer(t, sizeBytes, {
    // 64 KiB changed, 64 KiB not.
    bitmap: () => Array.from({ length: (2 * sizeBytes) / step }, (_, index) => [step / 2, index % 2 === 0 ? 1 : 0]),
    // 96 KiB of data, 96 KiB of zeros, from the beginning of each 192 KiB on.
    allocation: (offset, length) => {
      const extents: [number, number][] = [];
      for (let at = offset; at < offset + length;) {
        const end = Math.min((Math.floor(at / (96 * KIB)) + 1) * 96 * KIB, offset + length);
        extents.push([end - at, Math.floor(at / (96 * KIB)) % 2 === 0 ? 0 : 3]);
        at = end;
      }
      return extents;
    },
  });
  const volume = await openFleecedVolume({ ...DISK, sizeBytes }, path, 'x', nobodyKnows);
  const seen: string[] = [];
  for await (const { offset, length, isZero } of volume.changes()) {
    if (offset < 384 * KIB) seen.push(`${offset / KIB}+${length / KIB}${isZero === true ? ' zeros' : ''}`);
  }
  t.same(seen, ['0+64', '128+64 zeros', '256+32', '288+32 zeros']);
  t.same(asked(), [0, 64 * KIB * KIB, 128 * KIB * KIB, 192 * KIB * KIB]);
  await volume.close();
});

t.test('an error of the disk is none of the view', async (t) => {
  const contexts = ['base:allocation', bitmapContext(READING_BITMAP)];
  const bad = await openFleecedVolume(DISK, await server(t, contexts, 5), 'x', nobodyKnows);
  await t.rejects(bad.read(Buffer.alloc(512), 0), { code: 'IMAGE_FAILED', message: /vda cannot be read: .*EIO/ });
  await t.rejects(bad.changes()[Symbol.asyncIterator]().next(), { code: 'IMAGE_FAILED' });
  await t.rejects(bad.read(Buffer.alloc(512), SIZE), { code: 'INTERNAL' }, 'outside of the volume');
  await bad.close();
  const asked: string[] = [];
  const lost = await openFleecedVolume(DISK, await server(t, contexts, 22), 'x', (how) => {
    asked.push(how);
    return Promise.resolve({ why: 'the moon was full', hint: 'Wait.' });
  });
  const loss = { code: 'IMAGE_CHANGED', message: 'the stable view of vda is lost: the moon was full', hint: 'Wait.' };
  await t.rejects(lost.read(Buffer.alloc(512), 0), loss);
  t.same(asked, ['broken']);
  await lost.close();
  const unknown = await openFleecedVolume(
    { ...DISK, bitmap: undefined },
    await server(t, contexts, 5),
    'x',
    nobodyKnows,
  );
  await t.rejects(unknown.changes()[Symbol.asyncIterator]().next(), { code: 'INTERNAL' });
  await unknown.close();
});
