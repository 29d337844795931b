// The environment as a configuration: `IOTHUB_` and the path of a key in capitals, with two underscores between its parts:
// IOTHUB_LIMITS__PACKET_SIZE_MAX, IOTHUB_LISTENERS__0__TLS__CERT. What begins with IOTHUB_ and is no key is an error, since a
// misspelled limit must not be ignored; only what container platforms set by themselves for a service of that name is passed over.

import path from 'node:path';
import type { ConfigProblem } from './config-error.ts';
import { nearest } from './nearest.ts';
import { type Setting, secret } from './setting.ts';
import { ROOT, type Table } from './tables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One key, said by one variable. */
export interface VariableValue {
  readonly variable: string;
  /** Keys and positions, from the outermost. */
  readonly path: readonly (string | number)[];
  /** As the file would have it. */
  readonly value: unknown;
}

export interface EnvironmentReading {
  /** What IOTHUB_CONFIG says: the configuration file, or null. */
  readonly file: string | null;
  readonly values: readonly VariableValue[];
  readonly problems: readonly ConfigProblem[];
}

const PREFIX = 'IOTHUB_';
const FILE_VARIABLE = 'IOTHUB_CONFIG';

/** What Kubernetes and Docker set of their own accord where a service or container has this name. */
const PLATFORM =
  /^IOTHUB(?:_[A-Z0-9_]+)?_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;
const PLATFORM_ADDRESS = /^(?:tcp|udp|sctp):\/\//;

/** Under a name of the operator's. */
const ANY_TEXT = secret(4_096, '');

/** A variable that says nothing a key may be; the text says what would be right. */
class VariableProblem extends Error {}

/** All that the environment says. `workingFolder`: from where paths of files in it are seen. */
export function readEnvironment(
  environment: Environment,
  workingFolder: string,
): EnvironmentReading {
  const values: VariableValue[] = [];
  const problems: ConfigProblem[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || variable === FILE_VARIABLE || text === undefined) continue;
    try {
      const place = find(variable);
      if (place === null && isOfPlatform(variable, text)) continue;
      if (place === null) throw new VariableProblem(unknownVariable(variable));
      if (text === '') continue; // as if it were not there: compose files cannot leave one out
      values.push({ variable, path: place.path, value: rawValue(place, text, workingFolder) });
    } catch (error) {
      if (!(error instanceof VariableProblem)) throw error;
      problems.push({ path: '', message: error.message, line: null, source: variable });
    }
  }
  return { file: environment[FILE_VARIABLE] || null, values: values.sort(byPath), problems };
}

/** Positions in their order, so that each can follow the one before; a table before what stands in it. */
function byPath(a: VariableValue, b: VariableValue): number {
  for (let i = 0; i < Math.min(a.path.length, b.path.length); i++) {
    const [part, other] = [a.path[i], b.path[i]];
    if (part === other) continue;
    if (typeof part === 'number' && typeof other === 'number') return part - other;
    return String(part) < String(other) ? -1 : 1;
  }
  return a.path.length - b.path.length;
}

interface Place {
  readonly path: readonly (string | number)[];
  /** null: anything, in a table that may hold anything. */
  readonly setting: Setting<unknown> | null;
}

/** The key that a variable names; null when it names none. Throws VariableProblem for one that is nearly right. */
function find(variable: string): Place | null {
  const parts = variable.slice(PREFIX.length).split('__');
  const found: (string | number)[] = [];
  let table: Table = ROOT;
  for (let at = 0; at < parts.length; at++) {
    if (isOpen(table)) return freePlace(table, found, parts.slice(at));
    if (table.form === 'array' && at > 0 && typeof found[found.length - 1] !== 'number') {
      if (!/^\d{1,3}$/.test(parts[at]))
        throw new VariableProblem(needsPosition(variable, parts, at));
      found.push(Number(parts[at]));
      continue;
    }
    const key = parts[at].toLowerCase();
    found.push(key);
    if (Object.hasOwn(table.tables, key)) {
      table = table.tables[key];
      continue;
    }
    const isKey = Object.hasOwn(table.settings, key) && at === parts.length - 1;
    return isKey ? { path: found, setting: table.settings[key] } : null;
  }
  if (isOpen(table)) return { path: found, setting: null };
  const position = table.form === 'array' && typeof found.at(-1) !== 'number' ? '__0' : '';
  const example = (Object.keys(table.settings)[0] ?? 'key').toUpperCase();
  throw new VariableProblem(
    `is a table, not a value: write a variable for each key of it, as ${variable}${position}__${example}`,
  );
}

/** Whether any names may stand in it. */
function isOpen({ form }: Table): boolean {
  return form === 'free' || form === 'texts';
}

/** Names of a store's own options, or of headers: as they are, or in lower case when they are all capitals. */
function freePlace(
  { form }: Table,
  path: readonly (string | number)[],
  parts: readonly string[],
): Place {
  const names = parts.map((part) => (part === part.toUpperCase() ? part.toLowerCase() : part));
  return { path: [...path, ...names], setting: form === 'texts' ? ANY_TEXT : null };
}

function needsPosition(variable: string, parts: readonly string[], at: number): string {
  const right = [...parts.slice(0, at), '0', ...parts.slice(at)].join('__');
  return `there may be several of them, counted from 0: write ${PREFIX}${right} instead of ${variable}`;
}

function rawValue({ setting }: Place, text: string, workingFolder: string): unknown {
  if (setting === null) return anything(text);
  const isSeenFromHere =
    setting.path === 'file' || (setting.path === 'module' && text.startsWith('.'));
  return isSeenFromHere ? path.resolve(workingFolder, text) : setting.fromText(text);
}

/** JSON where it is JSON, otherwise text. */
function anything(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isOfPlatform(variable: string, text: string): boolean {
  if (!PLATFORM.test(variable)) return false;
  return !variable.endsWith('_PORT') || /_SERVICE_|_PORT_\d+_/.test(variable)
    ? true
    : PLATFORM_ADDRESS.test(text);
}

function unknownVariable(variable: string): string {
  const numbers = variable.split('__').filter((part) => /^\d+$/.test(part));
  const name = variable.slice(PREFIX.length).replace(/__\d+(?=__|$)/g, '__0');
  const near = nearest(name, ['CONFIG', ...variableNames('', ROOT)]);
  if (near === null) {
    return `no key of the configuration has this name: it is ${PREFIX}TABLE__KEY, as ${PREFIX}LIMITS__PACKET_SIZE_MAX or ${PREFIX}LISTENERS__0__URL (docs/config.md)`;
  }
  const right = near.replace(/__0(?=__)/g, () => `__${numbers.shift() ?? '0'}`);
  return `no key of the configuration has this name; did you mean ${PREFIX}${right}?`;
}

/** Every variable there is, without the prefix, with 0 for the positions. */
function variableNames(prefix: string, table: Table): string[] {
  const inner = Object.entries(table.tables).flatMap(([key, one]) => {
    const name = `${prefix}${key.toUpperCase()}__`;
    return variableNames(one.form === 'array' ? `${name}0__` : name, one);
  });
  return [...Object.keys(table.settings).map((key) => `${prefix}${key.toUpperCase()}`), ...inner];
}
