import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openImage } from '../../../agent/images/open-image.js';
import { openIngest } from '../../../agent/send/ingest-connection.js';
import { sendImages, type SendImagesOptions } from '../../../src/backup/send-images.js';
import { connectWithToken } from '../../../src/client/remote-login.js';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import { systemClock } from '../../../src/common/clock.js';
import type { NewToken } from '../../../src/protocol/access-api.js';
import type { BackupResult, ShadowCopyInfo } from '../../../src/protocol/api.js';
import type { StatusResult } from '../../../src/protocol/server-api.js';
import { readJson } from '../../../src/transport/answer.js';
import { startAgentLab, type AgentLab } from '../../kit/agent-lab.js';
import { ask } from '../../kit/api-client.js';
import { Random, testSeed } from '../../kit/random.js';
import { cuttableWay, type CuttableWay } from '../../kit/reading-lab.js';
import { runUmbra, type Outcome } from '../../kit/run-umbra.js';

/** An administrator with images here, and a server that takes them for one elsewhere. */
interface Desk extends AgentLab {
  readonly raw: string;
  readonly qcow2: string;
  readonly way: CuttableWay;
  /** A command for the server elsewhere. */
  readonly remote: (...commandLine: readonly string[]) => Promise<Outcome>;
  /** The same without a command. */
  readonly send: (options?: Partial<SendImagesOptions>) => Promise<BackupResult>;
  /** The bytes of a volume of the newest shadow copy. */
  readonly stored: (machine: string, volume: string) => Promise<Buffer>;
  readonly newest: (machine: string) => Promise<ShadowCopyInfo | undefined>;
}

async function desk(t: Test): Promise<Desk> {
  const lab = await startAgentLab(t);
  const { directory, port, umbra } = lab;
  const random = new Random(testSeed(t));
  const raw = join(directory, 'one.raw');
  writeFileSync(raw, Buffer.concat([random.bytes(2 * REGION_BYTES), Buffer.alloc(REGION_BYTES + 512, 0)]));
  const qcow2 = join(directory, 'two.qcow2');
  writeFileSync(`${qcow2}.raw`, Buffer.concat([Buffer.alloc(REGION_BYTES), random.bytes(100_352)]));
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', `${qcow2}.raw`, qcow2]);
  const { token } = (await umbra('token', 'add', 'anna')) as NewToken;
  const way = await cuttableWay(t, port);
  const url = `https://127.0.0.1:${way.port}`;
  const link = await connectWithToken({ host: '127.0.0.1', port: way.port }, token);
  t.teardown(() => {
    link.close();
  });
  const request = { machine: 'web4', images: [{ path: raw }], configs: [], reread: false };
  return {
    ...lab,
    raw,
    qcow2,
    way,
    remote: (...commandLine) =>
      runUmbra(commandLine, undefined, { variables: { UMBRA_SERVER: url, UMBRA_TOKEN: token }, directory }),
    send: (options = {}) =>
      sendImages({
        link,
        request,
        clock: systemClock,
        signal: new AbortController().signal,
        progress: () => undefined,
        ...options,
      }),
    stored: async (machine, volume) => {
      const to = join(directory, `${machine}-${volume}.restored`);
      await umbra('restore', machine, '--volume', volume, '--to', to);
      return readFileSync(to);
    },
    newest: async (machine) => ((await umbra('list', machine)) as readonly ShadowCopyInfo[]).at(-1),
  };
}

// One server for all: each of them is of machines of its own.
const LAB = await desk(t);

t.test('images of this machine become a shadow copy elsewhere, as of a store here', async (t) => {
  const { directory, raw, qcow2, umbra, remote, stored, newest } = LAB;
  writeFileSync(join(directory, 'web1.xml'), '<domain/>');
  const line = ['one.raw', '--name', `data=${qcow2}`, '--config', 'web1.xml'];
  const { code, stdout, stderr } = await remote('backup', 'web1', ...line, '--json');
  t.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as BackupResult;
  const here = (await umbra(
    'backup',
    'here',
    raw,
    '--name',
    `data=${qcow2}`,
    '--config',
    join(directory, 'web1.xml'),
  )) as BackupResult;
  t.strictSame(Object.keys(result), Object.keys(here));
  t.strictSame(
    result.volumes.map(({ name, sizeBytes, dataBytes, changedBytes }) => [name, sizeBytes, dataBytes, changedBytes]),
    here.volumes.map(({ name, sizeBytes, dataBytes, changedBytes }) => [name, sizeBytes, dataBytes, changedBytes]),
  );
  t.equal(result.volumes[0]?.newBytes, 2 * REGION_BYTES);
  const alike = (info: ShadowCopyInfo): unknown => ({ ...info, machine: '', shadowCopy: '', time: '' });
  const [one, other] = [await newest('web1'), await newest('here')];
  t.strictSame(one && alike(one), other && alike(other), 'tracker, consistency, volumes and their digests');
  t.ok((await stored('web1', 'vda')).equals(readFileSync(raw)));
  t.ok((await stored('web1', 'data')).equals(readFileSync(`${qcow2}.raw`)));

  t.match(await remote('backup', 'web2', 'none.raw'), { code: 3, stderr: /none\.raw/ });
});

t.test('an image that has not changed is not read again', async (t) => {
  const { send, raw, newest, stored } = LAB;
  const request = { machine: 'web3', images: [{ path: raw }], configs: [], reread: false };
  // An image that was written just now could be written again without a trace.
  const later = { ...systemClock, now: () => Date.now() + 10_000 };
  let read = 0;
  const counted: Partial<SendImagesOptions> = {
    openImage: (path, options) => openImage(path, { ...options, clock: later }),
    progress: () => read++,
  };
  const first = await send({ request, ...counted });
  const whole = read;
  t.ok(whole > 0);
  const again = await send({ request, ...counted });
  t.equal(read, whole, 'nothing was read');
  t.match(again.volumes, [{ dataBytes: first.volumes[0]?.dataBytes, changedBytes: 0, newBytes: 0 }]);
  await send({ request: { ...request, reread: true }, ...counted });
  t.equal(read, 2 * whole, 'but when that is asked for');

  const content = readFileSync(raw);
  content.fill(7, 5000, 9000);
  writeFileSync(raw, content);
  const changed = await send({ request, ...counted });
  const { changedBytes = 0, newBytes = 0 } = changed.volumes[0] ?? {};
  t.ok(changedBytes > 0 && changedBytes < REGION_BYTES, `${changedBytes} bytes have changed`);
  t.equal(newBytes, changedBytes);
  t.ok((await stored('web3', 'vda')).equals(content));
  t.equal((await newest('web3'))?.shadowCopy, changed.shadowCopy);
});

t.test('a connection that is lost is made again; a server that is gone is an error', async (t) => {
  const { send, raw, way, stored, umbra } = LAB;
  const before = way.connections();
  let cuts = 0;
  await send({
    progress: () => {
      if (cuts++ === 0) way.cut(true);
    },
  });
  t.ok(way.connections() >= before + 2);
  t.ok((await stored('web4', 'vda')).equals(readFileSync(raw)));
  t.equal(((await umbra('list', 'web4')) as unknown[]).length, 1);

  let hours = 0;
  const request = { machine: 'web5', images: [{ path: raw }], configs: [], reread: false };
  const gone = send({
    request,
    clock: { ...systemClock, monotonic: () => ++hours * 3_600_000 },
    progress: () => {
      way.cut(false);
    },
  });
  await t.rejects(gone, { code: 'SERVER_UNREACHABLE' });
  way.cut(true);
  await send({ request });
  t.ok((await stored('web5', 'vda')).equals(readFileSync(raw)), 'the next attempt is not kept from the machine');

  const stop = new AbortController();
  const interrupted = send({
    signal: stop.signal,
    request: { ...request, machine: 'web6' },
    progress: () => {
      stop.abort();
    },
  });
  await t.rejects(interrupted, { code: 'CANCELLED' });
  const { jobs } = (await umbra('status')) as StatusResult;
  t.strictSame(jobs, [], 'the server has let go of the machine');
  await t.rejects(umbra('list', 'web6'), { message: /NOT_FOUND|no machine/ });
});

t.test('agents send nothing of their own accord, and the owner reads images himself', async (t) => {
  const { store, umbra, port } = LAB;
  t.match(await ask(store, 'POST', '/v1/ingest', {}), {
    status: 403,
    body: { error: { code: 'FORBIDDEN', hint: /umbra backup MACHINE IMAGE/ } },
  });
  const { token } = (await umbra('token', 'add', 'carl')) as NewToken;
  const link = await connectWithToken({ host: '127.0.0.1', port }, token);
  t.teardown(() => {
    link.close();
  });
  await umbra('token', 'remove', 'carl');
  await t.rejects(openIngest(link, new AbortController().signal), { code: 'UNAUTHENTICATED' });
  await t.rejects(link.send({ method: 'GET', path: '/v1/status' }).then(readJson), { code: 'UNAUTHENTICATED' });
});
