// Topic filters of rules in which something of the client stands: `%c` its client id, `%u` its user name, `${claim.x}` a claim
// and `${cert}` the name in its certificate. A filter is taken apart once, when the rule is read; what stands for a placeholder
// is put in when a client asks.
//
// Whose rule it is decides about values that are no level of their own: see `strictValue` and `rawValue`.

import type { Client } from '../auth.ts';

const DOLLAR = 0x24;
const NAMES = /%[cu]/g;
const ALL = /%[cu]|\$\{(?:cert|claim(?:\.[^{}/+#\s.]+)+)\}/g;

/** A client, and the name in its certificate where the server knows it. */
export type KnownClient = Client & { readonly certificateName?: string | null };

export interface Placeholder {
  readonly source: 'clientId' | 'username' | 'certificate' | 'claim';
  /** Of a claim: from the outermost name inwards. */
  readonly path: readonly string[];
}

/** Text in which placeholders stand. */
export interface Template {
  readonly text: string;
  readonly parts: readonly (string | Placeholder)[];
}

/** A topic filter: levels without a placeholder are as they will be matched, wildcards included. */
export interface FilterTemplate {
  readonly text: string;
  readonly levels: readonly (string | Template)[];
  readonly hasPlaceholders: boolean;
}

/** What stands for a placeholder, or null: then whatever it stands in does not fit. */
export type LookUp = (placeholder: Placeholder, client: KnownClient) => string | null;

/** The placeholders of a kind of rules: client id and user name alone, or claims and the certificate too. */
export type PlaceholderKinds = 'none' | 'names' | 'all';

export function parseTemplate(text: string, kinds: PlaceholderKinds): Template {
  if (kinds === 'none') return { text, parts: [text] };
  const parts: (string | Placeholder)[] = [];
  let end = 0;
  for (const match of text.matchAll(kinds === 'all' ? ALL : NAMES)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(placeholderOf(match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length || parts.length === 0) parts.push(text.slice(end));
  return { text, parts };
}

/** `filter` is valid once its placeholders are filled in. */
export function parseFilterTemplate(filter: string, kinds: PlaceholderKinds): FilterTemplate {
  let hasPlaceholders = false;
  const levels = filter.split('/').map((level) => {
    const template = parseTemplate(level, kinds);
    if (isLiteral(template)) return level;
    hasPlaceholders = true;
    return template;
  });
  return { text: filter, levels, hasPlaceholders };
}

export function isLiteral({ parts }: Template): boolean {
  return parts.every((part) => typeof part === 'string');
}

/** The text for this client, or null if a value is missing. */
export function fill({ parts }: Template, client: KnownClient, lookUp: LookUp): string | null {
  let text = '';
  for (const part of parts) {
    const value = typeof part === 'string' ? part : lookUp(part, client);
    if (value === null) return null;
    text += value;
  }
  return text;
}

/** The text with the same value for every placeholder: to look at what is left. */
export function fillText(text: string, kinds: PlaceholderKinds, value: string): string {
  const { parts } = parseTemplate(text, kinds);
  return parts.map((part) => (typeof part === 'string' ? part : value)).join('');
}

/** Whether what the template's filter matches begins with `$`: by what is written in it, never by a value. */
export function isReserved(level: string | Template): boolean {
  const first = typeof level === 'string' ? level : level.parts[0];
  return typeof first === 'string' && first.charCodeAt(0) === DOLLAR;
}

/** The levels of the filter for this client, or null if it fits nothing. */
export function fillFilter(
  template: FilterTemplate,
  client: KnownClient,
  lookUp: LookUp,
): readonly string[] | null {
  const filled: string[] = [];
  for (const level of template.levels) {
    if (typeof level === 'string') {
      filled.push(level);
      continue;
    }
    const text = fill(level, client, lookUp);
    if (text === null) return null;
    for (const part of text.split('/')) filled.push(part);
  }
  if (filled[0].charCodeAt(0) === DOLLAR && !isReserved(template.levels[0])) return null;
  return filled;
}

/** Values as Mosquitto takes them: as they are, whatever is in them. */
export function rawValue({ source }: Placeholder, client: KnownClient): string | null {
  return source === 'clientId' ? client.clientId : client.username;
}

/** Values that are missing or empty, or could leave their level, stand for nothing: `/`, `+`, `#` and NUL. */
export function strictValue(placeholder: Placeholder, client: KnownClient): string | null {
  const value = knownValue(placeholder, client);
  if (value === null || value === '') return null;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code === 0x2f || code === 0x2b || code === 0x23 || code === 0) return null;
  }
  return value;
}

function knownValue({ source, path }: Placeholder, client: KnownClient): string | null {
  if (source === 'clientId') return client.clientId;
  if (source === 'username') return client.username;
  if (source === 'certificate') return client.certificateName ?? null;
  let value: unknown = client.claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (typeof value === 'string') return value;
  return Number.isSafeInteger(value) ? String(value) : null; // a tenant's number
}

function placeholderOf(text: string): Placeholder {
  if (text === '%c') return { source: 'clientId', path: [] };
  if (text === '%u') return { source: 'username', path: [] };
  const name = text.slice(2, -1);
  if (name === 'cert') return { source: 'certificate', path: [] };
  return { source: 'claim', path: name.split('.').slice(1) };
}
