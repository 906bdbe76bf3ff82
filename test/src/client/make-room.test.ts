import t from 'tap';
import { systemClock } from '../../../src/common/clock.js';
import { Client } from '../../../src/client/client.js';
import { makeRoom } from '../../../src/client/make-room.js';
import type { Message } from '../../../src/transport/message.js';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

void t.test('a server that does not know the question is not asked', async (t) => {
  const asked: string[] = [];
  const send = ({ method, path }: Message): Promise<IncomingMessage> => {
    asked.push(`${method} ${path}`);
    const response = new IncomingMessage(new Socket());
    response.statusCode = 200;
    response.push(JSON.stringify({ pid: 7, store: '/srv/umbra', mounts: [], jobs: [] }));
    response.push(null);
    return Promise.resolve(response);
  };
  const client = new Client({ transport: { send }, clock: systemClock });
  await t.rejects(makeRoom(client), { code: 'STORE_IN_USE', message: /by process 7/, hint: /umbra stop/ });
  t.same(asked, ['GET /v1/status']);
});
