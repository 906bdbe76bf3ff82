import { deepEqual, equal } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { requests } from '../../../../src/client/requests.js';
import { inTime } from '../fleet/checks.js';
import type { Field } from './field.js';

const ASK_MS = 200;

/**
 * Protect nothing any more: then no bitmap, checkpoint, overlay, job or export of ours is left in any machine. It needs a field that is
 * at rest, and leaves one that can't be used any more. @throws AssertionError
 */
export async function checkFarewell(field: Field): Promise<void> {
  const { fleet, names } = field;
  for (const machine of names) await inTime(untilLetGo(field, machine), `the agent lets go of ${machine}`);
  for (const machine of fleet.machines) {
    deepEqual(
      await machine.left(false),
      [],
      `${machine.name} is not protected any more, and has something of an agent's`,
    );
  }
  deepEqual(fleet.left(), [], 'nothing is left on the host');
}

async function untilLetGo({ fleet: { server } }: Field, machine: string): Promise<void> {
  for (;;) {
    const { agent, left } = await server.client.call(requests.unprotect({ machine }));
    if (agent === 'done') return;
    equal(left, undefined, `${machine} could not be let go of`);
    server.assertRunning();
    await sleep(ASK_MS);
  }
}
