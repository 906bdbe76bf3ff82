/**
 * A program: the server of the store in `argv[2]`, made if need be, over the fake engine. It prints `ready` when it listens at a port,
 * and is killed, as by SIGKILL from outside, in the instant in which it says `argv[3]` in its log.
 */
import { systemClock } from '../../src/common/clock.js';
import { silentLog } from '../../src/common/log.js';
import { StoreServer } from '../../src/server/store-server.js';
import { fakeParts } from './fake-parts.js';

const [, , store = '', last] = process.argv;
await StoreServer.start({
  store,
  create: { mode: 'may' },
  clock: systemClock,
  log: {
    ...silentLog,
    info: (message) => {
      if (message === last) process.kill(process.pid, 'SIGKILL');
    },
  },
  listen: { address: { host: '127.0.0.1', port: 0 }, names: [] },
  ...fakeParts,
});
process.stdout.write('ready\n');
