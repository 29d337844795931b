// Topic filters as sets of topic names: what two have in common, and whether one holds all of another. A SUBSCRIBE is judged
// by it before anything is published. Filters come as their levels, valid and without `$share`.
//
// Both know what only the definition of matching shows: a filter that begins with a wildcard matches nothing that begins with
// `$` [MQTT-4.7.2-1]; `a/#` matches `a` (§4.7.1.2); there is no topic with an empty name [MQTT-4.7.3-1], so that `/#` and `+`
// have nothing in common, and `+/#` is as much as `#`.

const DOLLAR = 0x24;

/** The filter of all that both match, or null when there is no such topic. */
export function intersection(a: readonly string[], b: readonly string[]): string[] | null {
  if (isApart(a, b) || isApart(b, a)) return null;
  const common: string[] = [];
  for (let i = 0; i < a.length || i < b.length; i++) {
    if (a[i] === '#' || b[i] === '#') {
      const rest = a[i] === '#' ? b : a;
      for (let j = i; j < rest.length; j++) common.push(rest[j]);
      break;
    }
    if (i >= a.length || i >= b.length) return null;
    if (a[i] === '+') common.push(b[i]);
    else if (b[i] === '+' || a[i] === b[i]) common.push(a[i]);
    else return null;
  }
  return common.length === 1 && common[0] === '' ? null : common;
}

/** Whether every topic that `b` matches is matched by `a`. */
export function covers(a: readonly string[], b: readonly string[]): boolean {
  if (isApart(a, b)) return false;
  for (let i = 0; i < b.length; i++) {
    if (a[i] === '#') return true;
    if (i >= a.length) return false;
    // `+/#` lacks the topic above its `+`, which is none if it would have an empty name.
    if (b[i] === '#') return a[i] === '+' && a[i + 1] === '#' && isNoTopic(b, i);
    if (a[i] !== '+' && a[i] !== b[i]) return false;
  }
  return a.length === b.length || a[b.length] === '#'; // the parent level as well
}

/** `a` begins with a wildcard and `b` with `$`. */
function isApart(a: readonly string[], b: readonly string[]): boolean {
  return (a[0] === '+' || a[0] === '#') && b[0].charCodeAt(0) === DOLLAR;
}

/** Whether the first `count` levels are not the name of a topic. */
function isNoTopic(levels: readonly string[], count: number): boolean {
  return count === 0 || (count === 1 && levels[0] === '');
}
