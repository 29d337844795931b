// Text that a stranger chose, cut to what a line of the log or a key of a table has room for.

/** At most `max` characters of it; what was cut says so. */
export function clip(text: string, max = 128): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
