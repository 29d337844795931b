// What access control consists of, source by source, so that a reload can say what is different, and notice what can hardly be
// meant: a file that lost most of what was in it was probably read while somebody wrote it, or written by mistake.

/** One source: its entries by name, each with a mark that changes with it. */
export interface Inventory {
  /** `users of /etc/iothub/passwd` */
  readonly title: string;
  /** The file that it is read from; null: it is part of the configuration, or not a file's. */
  readonly file: string | null;
  readonly entries: ReadonlyMap<string, string>;
  /** How much of it may not go without somebody's word; default: most of what is in a file, and anything else may. */
  readonly keeps?: 'most' | 'some';
  /** Whether it matters which one comes first; default: no. */
  readonly isOrdered?: boolean;
}

/** Names that are told of each kind of change. */
const NAMED_MAX = 5;

/** What is different, a line for each source. */
export function differences(
  before: readonly Inventory[],
  after: readonly Inventory[],
): readonly string[] {
  const lines: string[] = [];
  for (const now of after) {
    const then = before.find(({ title }) => title === now.title);
    if (then === undefined) lines.push(`${now.title}: new, with ${now.entries.size}`);
    else lines.push(...describe(then, now));
  }
  for (const { title } of before) {
    if (!after.some((now) => now.title === title)) lines.push(`${title}: gone`);
  }
  return lines;
}

/** The same for listeners, by their URLs. */
export function listenerDifferences({
  added,
  removed,
  changed,
}: Readonly<Record<'added' | 'removed' | 'changed', readonly string[]>>): readonly string[] {
  return line('listeners', [
    ...part(added, 'added'),
    ...part(removed, 'removed'),
    ...part(changed, 'changed'),
  ]);
}

/** Why these must not take the place of those without somebody's word; a line each. Files that are not read any more do not count. */
export function suspicions(
  before: readonly Inventory[],
  after: readonly Inventory[],
): readonly string[] {
  const lines: string[] = [];
  for (const { title, file, entries, keeps = file === null ? null : 'most' } of after) {
    const had = before.find((then) => then.title === title)?.entries.size ?? 0;
    const lost = had - entries.size;
    const isFine = keeps === 'most' ? lost * 2 <= had : keeps === null || entries.size > 0;
    if (had === 0 || isFine) continue;
    const now = entries.size === 0 ? 'nothing is left' : `only ${entries.size} are left`;
    lines.push(
      `${title}: of ${had} ${now}; if that is meant, reload with --force (iothub reload --force)`,
    );
  }
  return lines;
}

function describe(
  { entries: then }: Inventory,
  { title, entries: now, isOrdered = false }: Inventory,
): string[] {
  const added = [...now.keys()].filter((name) => !then.has(name));
  const removed = [...then.keys()].filter((name) => !now.has(name));
  const changed = [...now].filter(([name, mark]) => then.has(name) && then.get(name) !== mark);
  const parts = [
    ...part(added, 'added'),
    ...part(removed, 'removed'),
    ...part(
      changed.map(([name]) => name),
      'changed',
    ),
    ...(isOrdered && isReordered([...then.keys()], [...now.keys()]) ? ['in another order'] : []),
  ];
  return line(title, parts);
}

function line(title: string, parts: readonly string[]): string[] {
  return parts.length === 0 ? [] : [`${title}: ${parts.join('; ')}`];
}

/** Of those that are in both. */
function isReordered(then: readonly string[], now: readonly string[]): boolean {
  const [had, has] = [new Set(then), new Set(now)];
  const before = then.filter((name) => has.has(name));
  return now.filter((name) => had.has(name)).some((name, i) => name !== before[i]);
}

function part(names: readonly string[], what: string): string[] {
  if (names.length === 0) return [];
  const more = names.length > NAMED_MAX ? ', …' : '';
  return [`${names.length} ${what} (${names.slice(0, NAMED_MAX).join(', ')}${more})`];
}
