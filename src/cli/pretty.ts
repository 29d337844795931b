// One JSON log line as a line for people: `12:34:56.789 WARN  message  key=value`. Values are escaped, so that a client's text
// can neither start a line nor steer the terminal; only our own message and the stack of an error are free of quotes.

import { escapeHarmful } from './escape.ts';

const LEVELS: Readonly<Record<string, { label: string; colour: number }>> = {
  debug: { label: 'DEBUG', colour: 90 },
  info: { label: 'INFO ', colour: 32 },
  warn: { label: 'WARN ', colour: 33 },
  error: { label: 'ERROR', colour: 31 },
};

const OWN_FIELDS = new Set(['level', 'time', 'msg', 'err']);

/** Formats a line of pino's; what is not JSON is passed on escaped. The result ends with a newline. */
export function prettyLine(json: string, useColour: boolean): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return `${escapeHarmful(json.trimEnd())}\n`;
  }
  const { label, colour } = LEVELS[String(entry.level)] ?? {
    label: String(entry.level),
    colour: 0,
  };
  const time = String(entry.time).slice(11, 23);
  const head = useColour
    ? `\u001b[90m${time}\u001b[0m \u001b[${colour}m${label}\u001b[0m`
    : `${time} ${label}`;
  let text = `${head} ${escapeHarmful(String(entry.msg ?? ''))}`;
  for (const [key, value] of Object.entries(entry)) {
    if (!OWN_FIELDS.has(key)) text += `  ${escapeHarmful(key)}=${showValue(value)}`;
  }
  return `${text}${showError(entry.err)}\n`;
}

function showValue(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:@/+$#[\]-]+$/.test(value)) return value;
  return escapeHarmful(JSON.stringify(value));
}

/** The stack of an error, indented below its line. */
function showError(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { stack, message } = error as { stack?: unknown; message?: unknown };
  const lines = String(stack ?? message ?? JSON.stringify(error)).split('\n');
  return lines.map((line) => `\n    ${escapeHarmful(line.trim())}`).join('');
}
