// A line of a trace for people: when, what, who, and the rest as it is, without what is not so.

const EVENT_WIDTH = 12;

/** `line`: JSON. */
export function eventLine(line: string): string {
  const { at, event, clientId, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest)
    .filter(([name, value]) => value !== null && value !== false && !isUsual(name, value))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : value}`);
  const who = clientId === undefined || clientId === null ? [] : [quoted(String(clientId))];
  return [at, String(event).padEnd(EVENT_WIDTH), ...who, ...fields].join(' ').trimEnd();
}

/** What goes without saying. */
function isUsual(name: string, value: unknown): boolean {
  return name === 'payloadEncoding' && value === 'utf-8';
}

function quoted(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
