/** Further apart than this, two words are not a slip of the finger. */
const MAX_DISTANCE = 2;

/** The candidate that `word` was most probably meant to be, if there is one. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = MAX_DISTANCE + 1;
  for (const candidate of candidates) {
    const prefix = word.length > 2 && candidate.startsWith(word);
    const distance = prefix ? 1 : editDistance(word, candidate);
    // Of two that are as near, the one that begins like it: "umount" is no "mount".
    const isNearer =
      distance < bestDistance ||
      (distance === bestDistance && candidate.startsWith(word.charAt(0)) && best?.startsWith(word.charAt(0)) === false);
    if (isNearer && distance < candidate.length && distance <= MAX_DISTANCE) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** How many characters must be changed, added, removed or swapped with their neighbour (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
