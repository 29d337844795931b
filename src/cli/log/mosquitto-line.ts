// Lines in the shapes of Mosquitto's log, for rules of fail2ban and scripts that read those: connects, disconnects and refusals;
// everything else is its sentence with its fields. A client chooses its id and its user name, and such rules look for an
// address in brackets: whatever could look like one, or end a word, is escaped in what comes from a client.

import { escapeHarmful } from '../escape.ts';

const PREFIXES: Readonly<Record<string, string>> = { warn: 'Warning: ', error: 'Error: ' };
/** A refusal that came again stands there as often, for those who count lines; but not more often than that. */
const AGAIN_MAX = 20;
const OWN_FIELDS = new Set(['level', 'time', 'msg', 'err']);

type Entry = Readonly<Record<string, unknown>>;

/** Formats a line of pino's; may be several. Each ends with a newline. */
export function mosquittoLines(json: string): string {
  let entry: Entry;
  try {
    entry = JSON.parse(json) as Entry;
  } catch {
    return `${guarded(json.trimEnd())}\n`;
  }
  const seconds = Math.floor(Date.parse(String(entry.time)) / 1_000);
  return bodies(entry)
    .map((body) => `${seconds}: ${body}\n`)
    .join('');
}

function bodies(entry: Entry): readonly string[] {
  const { msg } = entry;
  if (msg === 'client connected') return [newConnection(entry), connected(entry)];
  if (msg === 'client disconnected') return [disconnected(entry)];
  const code = /^a CONNECT was refused: (0x[0-9A-F]{2}) (.*)$/.exec(String(msg));
  if (code !== null) return refused(entry, code[1], code[2]);
  const prefix = PREFIXES[String(entry.level)] ?? '';
  return [`${prefix}${escapeHarmful(String(msg ?? ''))}${fieldsOf(entry)}`];
}

function newConnection({ listener, remote }: Entry): string {
  const port = /:(\d+)(?:\/|$)/.exec(String(listener))?.[1] ?? '0';
  return `New connection from ${guarded(remote)} on port ${port}.`;
}

function connected(entry: Entry): string {
  const { cleanStart, clientId, keepAlive, remote, username, version } = entry;
  const protocol = { 3: 'p1', 4: 'p2', 5: 'p5' }[Number(version)] ?? 'p2';
  const user = username === null ? '' : `, u'${guarded(username)}'`;
  const clean = cleanStart === true ? 'c1' : 'c0';
  const about = `(${protocol}, ${clean}, k${keepAlive}${user})`;
  return `New client connected from ${guarded(remote)} as ${guarded(clientId)} ${about}.`;
}

function disconnected({ clientId, reason, reasonCode, remote }: Entry): string {
  const who = `Client ${guarded(clientId)} [${guarded(remote)}] disconnected`;
  if (reasonCode === '0x00') return `${who}.`;
  if (reasonCode === '0x87') return `${who}: not authorised.`;
  return `${who}: ${harmless(reason)}.`;
}

function refused(entry: Entry, code: string, name: string): readonly string[] {
  const { again, clientId, remote } = entry;
  const isDenied = code === '0x86' || code === '0x87' || code === '0x8A' || code === '0x8C';
  const why = isDenied ? 'not authorised' : name;
  const line = `Client ${guarded(clientId ?? '')} [${guarded(remote)}] disconnected: ${why}.`;
  const times = typeof again === 'number' ? Math.min(again, AGAIN_MAX) : 1;
  return Array.from({ length: times }, () => [newConnection(entry), line]).flat();
}

function fieldsOf(entry: Entry): string {
  let text = '';
  for (const [key, value] of Object.entries(entry)) {
    if (OWN_FIELDS.has(key)) continue;
    text += ` ${escapeHarmful(key)}=${escapeHarmful(JSON.stringify(value)).replace(/[[\]]/g, hex)}`;
  }
  const { err } = entry as { readonly err?: { readonly stack?: unknown } };
  return err === undefined ? text : `${text} error=${escapeHarmful(JSON.stringify(err.stack))}`;
}

/** One word, whatever the client chose. */
function guarded(value: unknown): string {
  return escapeHarmful(String(value).replace(/[\s[\]'"\\]/g, hex));
}

/** Words, but no address in brackets. */
function harmless(value: unknown): string {
  return escapeHarmful(String(value).replace(/[[\]]/g, hex));
}

function hex(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
