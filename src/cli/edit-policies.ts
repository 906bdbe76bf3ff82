import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { requests } from '../client/requests.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { PoliciesResult } from '../protocol/policies-api.js';
import type { Session } from './session.js';

/** What lines begin with that are put before a text with an error, and taken out of it again. */
const NOTE = '#!';

/**
 * Have the user edit the policies, again as long as something is wrong with them, and apply them.
 * @returns undefined if he changed nothing
 * @throws {UmbraError} what the server says of the last text, if he leaves it so; it is then kept in a file that the hint names
 */
export async function editPolicies(session: Session): Promise<PoliciesResult | undefined> {
  const before = await session.call(requests.policies());
  const file = join(mkdtempSync(join(tmpdir(), 'umbra-policies-')), 'policies.yaml');
  writeFileSync(file, before.text, { mode: 0o600 });
  const draft = new Draft(file, before.text);
  const applied = await editUntilApplied(draft, before.digest, session).catch((error: unknown) => {
    throw draft.text === before.text ? draft.dropped(error) : draft.kept(error);
  });
  draft.drop();
  return applied;
}

async function editUntilApplied(draft: Draft, ifDigest: string, session: Session): Promise<PoliciesResult | undefined> {
  let problem: UmbraError | undefined;
  for (;;) {
    await runEditor(draft.file, session);
    const isSame = !draft.readAgain();
    if (isSame && problem === undefined) return undefined;
    if (isSame && problem !== undefined) throw problem;
    try {
      return await session.call(requests.applyPolicies({ text: draft.text, file: draft.file, ifDigest }));
    } catch (error) {
      if (!isUmbraError(error, 'BAD_ARGUMENT')) throw error;
      problem = error;
      draft.note(error);
    }
  }
}

/** The file that is edited. */
class Draft {
  readonly file: string;
  /** Without notes. */
  text: string;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
  }

  /** @returns false if it is as before */
  readAgain(): boolean {
    const lines = readFileSync(this.file, 'utf8').split('\n');
    const text = lines.filter((line) => !line.startsWith(NOTE)).join('\n');
    const isOther = text !== this.text;
    this.text = text;
    return isOther;
  }

  /** Say at the top of the file what is wrong with it; lines are counted with these ones. */
  note({ message, hint }: UmbraError): void {
    const said = (shift: number): string[] => {
      const place = message.startsWith(`${this.file}:`) ? message.slice(this.file.length + 1) : message;
      const [, line = '', rest = place] = /^(\d+)(: .*)$/s.exec(place) ?? [];
      const text = line === '' ? rest : `line ${Number(line) + shift}${rest}`;
      const lines = [text, ...(hint === undefined ? [] : [hint]), 'Leave it as it is to give up.'];
      return lines.flatMap((part) => part.split('\n')).map((part) => `${NOTE} ${part}`);
    };
    const notes = said(said(0).length);
    writeFileSync(this.file, [...notes, this.text].join('\n'));
  }

  /** The error, with where the text is. */
  kept(error: unknown): unknown {
    if (!isUmbraError(error)) return error;
    writeFileSync(this.file, this.text);
    const where = `Your text is in ${this.file}.`;
    const hint = error.hint === undefined ? where : `${error.hint} ${where}`;
    return new UmbraError(error.code, error.message, { hint, cause: error });
  }

  dropped(error: unknown): unknown {
    this.drop();
    return error;
  }

  drop(): void {
    rmSync(dirname(this.file), { recursive: true, force: true });
  }
}

/** As git does: the editor may be a command with arguments. */
async function runEditor(file: string, session: Session): Promise<void> {
  const { variables } = session.environment;
  const editor =
    [variables['VISUAL'], variables['EDITOR'], 'vi'].find((name) => name !== undefined && name !== '') ?? 'vi';
  const child = spawn('/bin/sh', ['-c', `${editor} "$@"`, editor, file], { stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return;
  throw new UmbraError(
    'PROGRAM_MISSING',
    `the editor ${editor} ended with ${code ?? 'a signal'}; nothing was changed`,
    {
      hint: 'Say in $VISUAL or $EDITOR which editor to use.',
    },
  );
}
