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

/** Characters to insert, remove or replace, or neighbours to swap. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swapped = isSwap ? before[j - 2] + 1 : replaced;
      next.push(Math.min(replaced, swapped, row[j] + 1, next[j - 1] + 1));
    }
    before = row;
    row = next;
  }
  return row[to.length];
}
