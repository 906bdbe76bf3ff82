import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import type { CheckPoliciesRequest, PoliciesMeaning } from '../../protocol/policies-api.js';
import type { Args } from '../args.js';
import { textOption, word, type Command } from '../command.js';
import { editPolicies } from '../edit-policies.js';
import { readPolicyFile } from '../policy-file.js';
import { meaningText, policyText } from '../policy-text.js';
import type { Session } from '../session.js';

const ACTIONS = ['show', 'list', 'check', 'apply', 'edit'] as const;

export const command: Command = {
  usage: '<ACTION> [WHAT]',
  synopsis: 'show [MACHINE] | list | check FILE | apply FILE [--if DIGEST] | edit',
  description: `How often shadow copies are made, and how long they are kept. Policies are one YAML document; as long as nobody applied
one, the built-in one holds: a shadow copy every four hours, of which the last 3, 7 days, 4 weeks and 12 months are kept. "show" prints the document, or the policy
of a machine and where it comes from; "list" shows which policy is whose; "check" says what a FILE would mean; "apply" has it hold;
"edit" opens the document in $VISUAL or $EDITOR, again as long as something is wrong with it. A machine's policy is its own, else that
of its group, else that of its host, else the default.`,
  examples: [
    ['umbra policy show > policies.yaml', 'the document, to change it'],
    ['umbra policy check policies.yaml', 'what is wrong with it, or which policy is whose'],
    ['umbra prune --dry-run --policies policies.yaml', 'what it would keep and delete'],
    ['umbra policy apply policies.yaml', 'have it hold'],
    ['umbra policy show web1', 'what holds for a machine, and why'],
  ],
  next: 'Next: "umbra prune --dry-run" shows what is kept and what is not, and "umbra prune" deletes that.',
  positionals: { ACTION: word('show, list, check, apply or edit'), WHAT: word('A machine, or a file with policies') },
  options: { if: textOption('apply: only if the digest of what holds is still this one ("show --json" has it)') },
  run: async (args, session) => {
    args.text('ACTION');
    const action = args.optionalChoice('ACTION', ACTIONS) ?? 'show';
    if (action !== 'apply' && args.optionalText('if') !== undefined) {
      throw new UmbraError('BAD_ARGUMENT', `--if is for "apply", not for "${action}"`);
    }
    if ((action === 'list' || action === 'edit') && args.optionalText('WHAT') !== undefined) {
      throw new UmbraError('BAD_ARGUMENT', `"${action}" takes nothing more`);
    }
    await RUN[action](args, session);
    return 'OK';
  },
};

const RUN: Readonly<Record<(typeof ACTIONS)[number], (args: Args, session: Session) => Promise<void>>> = {
  show,
  list: async (_args, session) => {
    const result = await session.call(requests.policies());
    session.answer(result.machines, () => meaningText(result));
  },
  check: async (args, session) => {
    const meaning = await session.call(requests.checkPolicies(fileOf(args)));
    session.answer(meaning, () => `${args.text('WHAT')} is fine.\n${meaningText(meaning)}`);
  },
  apply: async (args, session) => {
    const ifDigest = args.optionalText('if');
    const request = { ...fileOf(args), ...(ifDigest === undefined ? {} : { ifDigest }) };
    const result = await session.call(requests.applyPolicies(request));
    session.answer(result, () => appliedText(result));
  },
  edit: async (_args, session) => {
    const result = await editPolicies(session);
    session.answer(result ?? null, () => (result === undefined ? 'nothing was changed\n' : appliedText(result)));
  },
};

async function show(args: Args, session: Session): Promise<void> {
  const name = args.optionalText('WHAT');
  const result = await session.call(requests.policies());
  if (name === undefined) {
    for (const warning of result.warnings) session.environment.stderr.write(`note: ${warning}\n`);
    session.answer(result, () => result.text);
    return;
  }
  const machine = result.machines.find((candidate) => candidate.machine === name);
  const policy = result.policies.find((candidate) => candidate.name === machine?.policy);
  if (machine === undefined || policy === undefined) {
    throw new UmbraError('NOT_FOUND', `there is no machine "${name}"`, {
      hint: '"umbra policy list" shows the machines that are protected or have shadow copies.',
    });
  }
  session.answer({ ...machine, effective: policy }, () => policyText(machine, policy));
}

function fileOf(args: Args): CheckPoliciesRequest {
  return readPolicyFile(args.text('WHAT'), args.path('WHAT'));
}

function appliedText(meaning: PoliciesMeaning): string {
  return `The policies hold. "umbra prune --dry-run" shows what they keep.\n${meaningText(meaning)}`;
}
