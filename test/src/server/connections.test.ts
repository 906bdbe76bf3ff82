import { Socket } from 'node:net';
import t from 'tap';
import { addressKey } from '../../../src/server/address-key.js';
import { Connections } from '../../../src/server/connections.js';

let lastPort = 0;

class FakeSocket extends Socket {
  override readonly remoteAddress: string;
  override readonly remotePort = (lastPort += 1);

  constructor(address: string) {
    super();
    this.remoteAddress = address;
  }
}

function open(connections: Connections, address: string, count = 1): FakeSocket[] {
  return Array.from({ length: count }, () => {
    const socket = new FakeSocket(address);
    connections.opened(socket);
    return socket;
  });
}

const destroyed = (sockets: readonly Socket[]): boolean[] => sockets.map((socket) => socket.destroyed);

void t.test('one address has so many strangers, and those who are known do not count', async (t) => {
  const connections = new Connections({ total: 100, strangers: 10, strangersOfAddress: 2 });
  const first = open(connections, '10.0.0.1', 3);
  t.same(destroyed(first), [false, false, true]);
  for (const socket of first) connections.identified(socket, () => true);
  t.same(destroyed(open(connections, '10.0.0.1', 3)), [false, false, true]);
  t.equal(connections.refused, 2);
  t.equal(connections.count, 4);
});

void t.test(
  'when there are too many strangers the oldest goes, when there are too many at all the new one',
  async (t) => {
    const connections = new Connections({ total: 4, strangers: 2, strangersOfAddress: 2 });
    const [known] = open(connections, '10.0.0.1');
    if (known !== undefined) connections.identified(known, () => true);
    const strangers = ['10.0.0.2', '10.0.0.3', '10.0.0.4'].flatMap((address) => open(connections, address));
    t.same(destroyed(strangers), [true, false, false]);
    await new Promise((resolve) => setImmediate(resolve));
    for (const socket of strangers) connections.identified(socket, () => true);
    t.same(destroyed(open(connections, '10.0.0.5', 2)), [false, true]);
    t.notOk(known?.destroyed);
  },
);

void t.test('who does not hold any more is closed', async (t) => {
  const connections = new Connections({ total: 4, strangers: 2, strangersOfAddress: 2 });
  const sockets = open(connections, '10.0.0.1', 2);
  sockets.forEach((socket, index) => {
    connections.identified(socket, () => index === 1);
  });
  connections.closeRevoked();
  t.same(destroyed(sockets), [true, false]);
});

void t.test('an IPv6 network counts as one address', async (t) => {
  t.equal(addressKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2');
  t.equal(addressKey('2001:db8:1:2::9'), '2001:db8:1:2');
  t.equal(addressKey('::1'), '0:0:0:0');
  t.equal(addressKey('fe80::'), 'fe80:0:0:0');
  t.equal(addressKey('::ffff:10.0.0.1'), '10.0.0.1');
  t.equal(addressKey('10.0.0.1'), '10.0.0.1');
  t.equal(addressKey(''), '');
});
