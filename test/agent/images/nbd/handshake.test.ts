import t from 'tap';
import { openNbd } from '../../../../agent/images/nbd/nbd-client.js';
import { fakeNbdServer, optionReply, packed, type FakeNbdBehaviour } from '../../../kit/fake-nbd-server.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const GO = 7;

/** A server that answers `option` with `reply`. */
function answering(option: number, ...reply: Buffer[]): FakeNbdBehaviour {
  return { option: (number) => (number === option ? Buffer.concat(reply) : undefined) };
}

t.test('a good server', async (t) => {
  const socketPath = await fakeNbdServer(t, { sizeBytes: 12_345n });
  const client = await openNbd({ socketPath, exportName: 'disk' });
  t.match(client.info, {
    sizeBytes: 12_345,
    readOnly: false,
    canFlush: true,
    canWriteZeroes: true,
    minimumBytes: 1,
    maximumBytes: 32 * 1024 * 1024,
    structured: true,
  });
  t.same(client.info.contexts, new Map([['base:allocation', 9]]));
  await client.close();
  await client.close();
  await t.rejects(client.read(Buffer.alloc(1), 0), { code: 'IMAGE_FAILED', message: /closed/ });
});

t.test('servers without structured replies or without the context are of use too', async (t) => {
  const plain = await fakeNbdServer(t, answering(8, optionReply(8, 0x8000_0001)));
  const one = await openNbd({ socketPath: plain, exportName: '' });
  t.match(one.info, { structured: false, contexts: new Map() });
  t.equal(one.info.contexts.size, 0);
  t.same(await one.allocation(0, 100), [{ length: 100, zero: false }]);
  await one.close();
  const noContext = await fakeNbdServer(t, answering(10, optionReply(10, 1)));
  const two = await openNbd({ socketPath: noContext, exportName: '' });
  t.equal(two.info.structured, true);
  t.equal(two.info.contexts.size, 0);
  await t.rejects(two.status('base:allocation', 0, 1), { code: 'IMAGE_FAILED', message: /no meta context/ });
  await two.close();
});

t.test('block sizes are kept to', async (t) => {
  const sizes = (minimum: number, maximum: number): FakeNbdBehaviour => {
    const info = optionReply(GO, 3, packed([2, 0], [8, 65_536], [2, 1]));
    const blocks = optionReply(GO, 3, packed([2, 3], [4, minimum], [4, 4096], [4, maximum]));
    return answering(GO, info, blocks, optionReply(GO, 1));
  };
  const client = await openNbd({ socketPath: await fakeNbdServer(t, sizes(512, 65_536)), exportName: '' });
  t.match(client.info, { minimumBytes: 512, maximumBytes: 65_536 });
  await t.rejects(client.read(Buffer.alloc(100), 512), { code: 'INTERNAL', message: /blocks of 512/ });
  await t.rejects(client.read(Buffer.alloc(512), 65_536), { code: 'INTERNAL' });
  await client.close();
  for (const [minimum, maximum] of [
    [0, 4096],
    [513, 4096],
    [1, 0],
    [131_072, 4_194_304],
  ] as const) {
    const socketPath = await fakeNbdServer(t, sizes(minimum, maximum));
    await t.rejects(openNbd({ socketPath, exportName: '' }), {
      code: 'IMAGE_FAILED',
      message: /impossible block sizes/,
    });
  }
});

t.test('servers that say something else are refused', async (t) => {
  const exported = (size: bigint): Buffer => optionReply(GO, 3, packed([2, 0], [8, size], [2, 1]));
  const cases: [string, FakeNbdBehaviour, RegExp][] = [
    ['not NBD', { greeting: Buffer.from('SSH-2.0-OpenSSH_9.2p1') }, /no newstyle NBD server/],
    ['oldstyle', { greeting: Buffer.from('NBDMAGICIHAVEOPT\0\0', 'latin1') }, /too old/],
    ['wrong option magic', answering(8, optionReply(8, 1, Buffer.alloc(0), 1n)), /wrong magic/],
    ['another option', answering(8, optionReply(9, 1)), /not sent/],
    ['a huge reply', answering(8, optionReply(8, 3, Buffer.alloc(70_000))), /option reply of 70000 bytes/],
    ['endless replies', answering(8, ...Array.from({ length: 100 }, () => optionReply(8, 3))), /endless/],
    ['no size', answering(GO, optionReply(GO, 1)), /how large/],
    ['a short size', answering(GO, optionReply(GO, 3, packed([2, 0], [4, 1])), optionReply(GO, 1)), /wrong length/],
    ['a huge export', answering(GO, exported(2n ** 60n), optionReply(GO, 1)), /export of 1152921504606846976 bytes/],
    ['no export', answering(GO, optionReply(GO, 0x8000_0006, Buffer.from('nix'))), /has no such export: nix/],
    ['a refusal', answering(GO, optionReply(GO, 0x8000_0002)), /refuses the export: error 2/],
  ];
  for (const [name, behaviour, message] of cases) {
    const socketPath = await fakeNbdServer(t, behaviour);
    await t.rejects(openNbd({ socketPath, exportName: '' }), { code: 'IMAGE_FAILED', message }, name);
  }
});

t.test('a server that does not greet, and none at all', async (t) => {
  const socketPath = await fakeNbdServer(t, { greeting: Buffer.from('NBDMAG') });
  await t.rejects(openNbd({ socketPath, exportName: '', timeoutMs: 50 }), { message: /did not greet within 50 ms/ });
  const missing = `${temporaryDirectory(t)}/none`;
  await t.rejects(openNbd({ socketPath: missing, exportName: '' }), {
    code: 'IMAGE_FAILED',
    cause: { code: 'ENOENT' },
  });
});

t.test('meta contexts that were not asked for, come twice or have no number of their own', async (t) => {
  const context = (number: number, name: string): Buffer =>
    optionReply(10, 4, Buffer.concat([packed([4, number]), Buffer.from(name)]));
  const wrong: [Buffer[], RegExp][] = [
    [[context(1, 'qemu:dirty-bitmap:b'), context(2, 'x:y')], /not asked for/],
    [[context(1, 'qemu:dirty-bitmap:b'), context(2, 'qemu:dirty-bitmap:b')], /not asked for/],
    [[context(1, 'qemu:dirty-bitmap:b'), context(1, 'base:allocation')], /one number for two/],
    [[optionReply(10, 4, Buffer.alloc(3))], /without a number/],
  ];
  for (const [replies, message] of wrong) {
    const socketPath = await fakeNbdServer(t, answering(10, ...replies, optionReply(10, 1)));
    const contexts = ['base:allocation', 'qemu:dirty-bitmap:b'];
    await t.rejects(openNbd({ socketPath, exportName: '', contexts }), { code: 'IMAGE_FAILED', message });
  }
});
