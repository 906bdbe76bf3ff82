/** Unicode's Other_Default_Ignorable_Code_Point and its kin: folding drops them. */
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/u;
/** Cherokee letters fold to capitals; the small dotless i folds to itself. */
const CHEROKEE = /[\u13a0-\u13fd\uab70-\uabbf]/u;
const ITSELF = new Set(['\u0131']);

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * What is compared of a name in a directory that tells no upper from lower case: as the kernel's `utf8nfdicf`, full case
 * folding and canonical decomposition without what is ignorable. A name that is not UTF-8 stands for itself. JavaScript's
 * own tables do it: those of a newer Unicode than the kernel's 12.1, that differ only in what 12.1 had no letters for.
 */
export function foldName(bytes: Buffer): Buffer {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return bytes;
  }
  return Buffer.from(foldText(text), 'utf8');
}

function foldText(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  let folded = '';
  for (const letter of text.normalize('NFD')) if (!IGNORABLE.test(letter)) folded += foldLetter(letter);
  return folded.normalize('NFD');
}

/** Letter by letter: lower case would depend on the neighbours of a sigma. */
function foldLetter(letter: string): string {
  if (ITSELF.has(letter)) return letter;
  const upper = letter.toLowerCase().toUpperCase();
  return CHEROKEE.test(letter) ? upper : lowerEach(upper);
}

function lowerEach(letters: string): string {
  let lower = '';
  for (const letter of letters) lower += letter.toLowerCase();
  return lower;
}
