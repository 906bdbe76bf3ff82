import t from 'tap';
import {
  AGENTS,
  checkPermission,
  describeCaller,
  EVERYBODY,
  OPERATORS,
  OWNER,
  OWNER_ONLY,
} from '../../../src/server/caller.js';
import type { Caller, Permission } from '../../../src/server/caller.js';
import { OPERATIONS } from '../../../src/server/operations.js';

const ANNA: Caller = { role: 'administrator', name: 'anna' };
const AGENT: Caller = { role: 'agent', host: 'hv1' };

void t.test('each caller may do what his role may', async (t) => {
  const may = (permission: Permission, callers: readonly (Caller | undefined)[]): void => {
    for (const caller of callers)
      t.doesNotThrow(() => {
        checkPermission(permission, caller, 'x');
      });
  };
  may(OPERATORS, [OWNER, ANNA]);
  may(OWNER_ONLY, [OWNER]);
  may(AGENTS, [AGENT]);
  may(EVERYBODY, [OWNER, ANNA, AGENT, undefined]);
});

void t.test('others are told what they may not do, and where it can be done', async (t) => {
  t.throws(
    () => {
      checkPermission(OPERATORS, AGENT, 'GET /v1/stats');
    },
    {
      code: 'FORBIDDEN',
      message: 'the agent of hv1 may not do GET /v1/stats',
    },
  );
  t.throws(
    () => {
      checkPermission(OWNER_ONLY, ANNA, 'POST /v1/restore');
    },
    {
      code: 'FORBIDDEN',
      message: /administrator anna/,
      hint: /path of the server's machine/,
    },
  );
  for (const caller of [OWNER, ANNA])
    t.throws(
      () => {
        checkPermission(AGENTS, caller, 'x');
      },
      { code: 'FORBIDDEN' },
    );
  t.equal(describeCaller(OWNER), 'the owner of the store');
});

void t.test('strangers are asked who they are', async (t) => {
  for (const permission of [OPERATORS, OWNER_ONLY, AGENTS]) {
    t.throws(
      () => {
        checkPermission(permission, undefined, 'GET /v1/stats');
      },
      {
        code: 'UNAUTHENTICATED',
        hint: /umbra login/,
      },
    );
  }
});

void t.test(
  'agents may do nothing that is not meant for them; keys, and what names paths of the server, are its owner’s',
  async (t) => {
    const may = (caller: Caller): string[] =>
      OPERATIONS.filter(({ permission }) => permission.roles.includes(caller.role)).map(
        ({ method, route }) => `${method} ${route}`,
      );
    const agents = ['POST /v1/agent/machines', 'POST /v1/agent/outcomes', 'POST /v1/agent/alive'];
    t.same(may(AGENT), agents);
    t.equal(may(OWNER).length, OPERATIONS.length - agents.length, 'what agents say nobody else can say for them');
    const owners = may(OWNER).filter((route) => !may(ANNA).includes(route));
    t.same(owners.sort(), [
      'DELETE /v1/keys',
      'DELETE /v1/mounts',
      'GET /v1/keys',
      'POST /v1/backup',
      'POST /v1/export',
      'POST /v1/files/copy',
      'POST /v1/keys',
      'POST /v1/keys/change',
      'POST /v1/mounts',
      'POST /v1/restore',
    ]);
    t.ok(OPERATIONS.every(({ permission }) => permission.strangers !== true));
  },
);
