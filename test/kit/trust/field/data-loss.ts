import { equal, ok } from 'node:assert/strict';
import { requests } from '../../../../src/client/requests.js';
import type { Field } from './field.js';

/** Of what is acceptable: more is late. */
const LATE = 0.75;
/** So much a server may take between two answers, and clocks may differ that lie on whole seconds. */
const TOLERANCE_SECONDS = 2;

/** What the server says of each machine is what its newest shadow copy and its policy say. @throws AssertionError */
export async function checkDataLoss({ fleet, names }: Field): Promise<void> {
  const { fleet: status } = await fleet.server.client.call(requests.status());
  for (const { machine, state, ageSeconds, acceptableSeconds, shadowCopy, time } of status?.machines ?? []) {
    ok(names.includes(machine), `${machine} is no machine of ours`);
    if (ageSeconds === undefined) continue;
    const used = ageSeconds / acceptableSeconds;
    const wanted = used > 1 ? 'breach' : used > LATE ? 'late' : 'ok';
    equal(state, wanted, `${machine}: ${ageSeconds} s of ${acceptableSeconds} s`);
    if (shadowCopy === undefined || time === undefined) continue;
    const age = (Date.parse(status?.asOf ?? '') - Date.parse(time)) / 1000;
    ok(Math.abs(age - ageSeconds) <= TOLERANCE_SECONDS, `${machine}: ${ageSeconds} s is not the age of ${shadowCopy}`);
  }
}
