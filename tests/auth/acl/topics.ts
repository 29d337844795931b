// Topic names to try rules on: all there are.

/** All topic names of these levels, up to so many of them. */
export function allTopics(levels: readonly string[], depth: number): string[] {
  let longest: string[] = [...levels];
  const all = [...longest];
  for (let i = 1; i < depth; i++) {
    longest = longest.flatMap((name) => levels.map((level) => `${name}/${level}`));
    all.push(...longest);
  }
  return all.filter((name) => name !== '');
}
