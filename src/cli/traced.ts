// A line of a trace for people: when, what, who, and the rest as it is.

const EVENT_WIDTH = 12;

/** `line`: JSON. */
export function eventLine(line: string): string {
  const { at, event, clientId, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : value}`);
  const who = clientId === undefined || clientId === null ? [] : [quoted(String(clientId))];
  return [at, String(event).padEnd(EVENT_WIDTH), ...who, ...fields].join(' ').trimEnd();
}

function quoted(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
