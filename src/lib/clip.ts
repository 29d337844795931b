// Text that a stranger chose, cut to what a line of the log or a key of a table has room for.

/** At most `max` characters of it; what was cut says so. It is a copy: a part of a text would keep all of it in memory. */
export function clip(text: string, max = 128): string {
  return text.length <= max ? text : `${[...text.slice(0, max - 1)].join('')}…`;
}

/** A JWT or what is like one: parts in base64url, the first of them the beginning of a JSON object. */
const TOKEN = /^e[wy][\w-]{8,}(?:\.[\w-]*){2,4}$/;

/** The same of a user name. Tokens may come in its place, and who reads one has it: none is shown. */
export function clipName(name: string): string {
  return TOKEN.test(name) ? '(a token)' : clip(name);
}
