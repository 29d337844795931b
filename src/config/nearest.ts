// Which known name somebody probably meant.

/** The name nearest to `word` by edits, capitals and underscores aside; null when none is near. */
export function nearest(word: string, names: readonly string[]): string | null {
  const plainWord = plain(word);
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(plainWord.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(plainWord, plain(name));
    if (distance >= bestDistance) continue;
    best = name;
    bestDistance = distance;
  }
  return best;
}

function plain(word: string): string {
  return word.slice(0, 64).toLowerCase().replace(/[_-]/g, '');
}

/** Levenshtein distance: characters to insert, remove or replace. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[to.length];
}
