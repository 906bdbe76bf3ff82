import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { agentTransport, enrolAgent } from '../../agent/enrol/agent-identity.js';
import { connectWithToken } from '../../src/client/remote-login.js';
import { systemClock } from '../../src/common/clock.js';
import type { Invitation, NewToken } from '../../src/protocol/access-api.js';
import type { BackupResult } from '../../src/protocol/api.js';
import { readJson } from '../../src/transport/answer.js';
import type { HttpsTransport } from '../../src/transport/https-transport.js';
import { startAgentLab, type AgentLab } from './agent-lab.js';
import { ext4Image, writeTree } from './files-lab.js';
import { Random } from './random.js';
import { runUmbra, type Outcome } from './run-umbra.js';

const MIB = 1024 * 1024;

/** A server of a real store that listens, with a machine `m1` of one volume in two shadow copies, and somebody who may read them. */
export interface ReadingLab extends AgentLab {
  readonly token: string;
  readonly url: string;
  /** The names of the shadow copies, and the bytes of their volume `vda`: an ext4 file system. */
  readonly names: readonly string[];
  readonly images: readonly Buffer[];
  /** What is in the newest one's file `large`. */
  readonly large: Buffer;
  /** An administrator's way to the server. */
  readonly link: HttpsTransport;
  /** A command of the administrator, on this machine, for the server as one that is elsewhere. */
  readonly remote: (...commandLine: readonly string[]) => Promise<Outcome>;
  /** Back a file of these bytes up as another machine. */
  readonly backUp: (machine: string, content: Uint8Array) => Promise<string>;
  /** An agent's way to the server; it says that it sees these machines. */
  readonly agentLink: (host: string, machines: readonly string[]) => Promise<HttpsTransport>;
}

export async function startReadingLab(t: Test): Promise<ReadingLab> {
  const lab = await startAgentLab(t);
  const { directory, store, port, umbra } = lab;
  const large = new Random(7).bytes(3 * MIB);
  writeTree(join(directory, 'tree'), {
    large,
    etc: { fstab: 'first\n', hosts: '127.0.0.1 localhost\n', motd: '' },
    home: { ann: { notes: 'a note\n' } },
  });
  const image = join(directory, 'm1.raw');
  ext4Image(image, join(directory, 'tree'), 12);
  const backUp = async (path: string, machine: string): Promise<string> =>
    ((await umbra('backup', machine, path)) as BackupResult).shadowCopy;
  const first = await backUp(image, 'm1');
  const images = [readFileSync(image)];
  appendFileSync(join(directory, 'tree', 'etc', 'fstab'), 'second\n');
  ext4Image(image, join(directory, 'tree'), 12);
  const names = [first, await backUp(image, 'm1')];
  images.push(readFileSync(image));
  const { token } = (await umbra('token', 'add', 'anna')) as NewToken;
  const url = `https://127.0.0.1:${port}`;
  const server = { host: '127.0.0.1', port };
  const link = await connectWithToken(server, token);
  t.teardown(() => {
    link.close();
  });
  return {
    ...lab,
    token,
    url,
    names,
    images,
    large,
    link,
    remote: (...commandLine) =>
      runUmbra(commandLine, undefined, { variables: { UMBRA_SERVER: url, UMBRA_TOKEN: token }, directory }),
    backUp: async (machine, content) => {
      const file = join(directory, `${machine}.raw`);
      writeFileSync(file, content);
      return await backUp(file, machine);
    },
    agentLink: async (host, machines) => {
      const { token: join } = (await umbra('agent', 'invite', host)) as Invitation;
      const identity = await enrolAgent({
        server,
        token: join,
        host,
        directory: `${store}-${host}`,
        clock: systemClock,
      });
      const transport = agentTransport(identity);
      t.teardown(() => {
        transport.close();
      });
      const seen = machines.map((name) => ({
        name,
        source: 'directory',
        state: 'off',
        volumes: [],
        skipped: [],
        configPaths: [],
      }));
      const report = { method: 'POST', path: '/v1/agent/machines', body: { machines: seen, notes: [] } } as const;
      await readJson(await transport.send(report));
      return transport;
    },
  };
}

/** A way to a port of this machine that can be cut. */
export interface CuttableWay {
  readonly port: number;
  /** Cut what is open; new connections are taken if `again`. */
  readonly cut: (again: boolean) => void;
  /** Cut the connections once so many more bytes came from the server, and take new ones. */
  readonly cutAfter: (bytes: number) => void;
  /** How many connections there were. */
  readonly connections: () => number;
}

export async function cuttableWay(t: Test, target: number): Promise<CuttableWay> {
  const sockets = new Set<Socket>();
  let takes = true;
  let left = Infinity;
  let connections = 0;
  const cut = (again: boolean): void => {
    takes = again;
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    if (!takes) {
      client.destroy();
      return;
    }
    connections++;
    const behind = connect(target, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      behind.destroy();
    };
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', end).on('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    client.pipe(behind);
    behind.on('data', (data) => {
      client.write(data);
      left -= data.length;
      if (left > 0) return;
      left = Infinity;
      cut(true);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    cut(false);
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    cutAfter: (bytes) => {
      left = bytes;
    },
    connections: () => connections,
  };
}
