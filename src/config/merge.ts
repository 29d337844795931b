// Lays what variables and flags say over what the file says, key by key, before anything is read: so all of it is checked by
// the same rules. What has the wrong shape is left as it is, for the reading to tell.

import type { ConfigProblem } from './config-error.ts';
import type { VariableValue } from './environment.ts';
import type { ListenerFlag } from './listener-flag.ts';
import type { Origins } from './origins.ts';

type Tree = Record<string, unknown>;

/** Keys that say the same in another way: the one that is said later counts alone. */
const INSTEAD: Readonly<Record<string, readonly string[]>> = {
  url: ['host', 'port'],
  key_passphrase: ['key_passphrase_file'],
  key_passphrase_file: ['key_passphrase'],
  secret: ['secret_file'],
  secret_file: ['secret'],
};

/** Puts the values of variables into `raw`; returns what does not fit in. */
export function mergeVariables(
  raw: Tree,
  values: readonly VariableValue[],
  origins: Origins,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const { path } of values) removeInstead(raw, path);
  for (const { variable, path, value } of values) {
    const missing = put(raw, path, value);
    if (missing === null) {
      origins.note(textOf(path), variable);
      continue;
    }
    const message = `there is no ${textOf(missing)} before it: count from 0 without gaps`;
    problems.push({ path: '', message, line: null, source: variable });
  }
  return problems;
}

/** The listeners of flags, instead of all others. */
export function mergeListeners(
  raw: Tree,
  listeners: readonly ListenerFlag[],
  origins: Origins,
): void {
  raw.listeners = listeners.map(({ table }) => structuredClone(table));
  origins.replace('listeners');
  for (const [index, { parameters, shown }] of listeners.entries()) {
    const source = `--listener '${shown}'`;
    origins.note(`listeners[${index}]`, source);
    for (const [key, name] of parameters) {
      origins.note(`listeners[${index}].${key}`, `${source}: ${name}`);
    }
  }
}

/** Puts what a flag says into `raw`, unless it says nothing. */
export function mergeFlag(
  raw: Tree,
  path: readonly string[],
  value: unknown,
  flag: string,
  origins: Origins,
): void {
  if (value === undefined) return;
  put(raw, path, value);
  origins.note(textOf(path), flag);
}

/** Null when it is done, or when there is no room for it; else the path of the position before it that is missing. */
function put(
  raw: Tree,
  path: readonly (string | number)[],
  value: unknown,
): readonly (string | number)[] | null {
  let at: unknown = raw;
  for (const [i, part] of path.entries()) {
    if (typeof part === 'number' ? !Array.isArray(at) : !isTree(at)) return null;
    const within = at as Tree;
    const next = path[i + 1];
    if (next === undefined) within[part] = value;
    else if (!Object.hasOwn(within, part)) {
      if (typeof next === 'number' && next > 0) return [...path.slice(0, i + 1), 0];
      within[part] = typeof next === 'number' ? [] : {};
    }
    at = within[part];
    if (typeof next === 'number' && Array.isArray(at) && next > at.length) {
      return [...path.slice(0, i + 1), at.length];
    }
  }
  return null;
}

function removeInstead(raw: Tree, path: readonly (string | number)[]): void {
  const others = INSTEAD[String(path.at(-1))];
  if (others === undefined) return;
  let at: unknown = raw;
  for (const part of path.slice(0, -1)) {
    at = typeof at === 'object' && at !== null ? (at as Tree)[part] : undefined;
  }
  if (isTree(at)) for (const other of others) delete at[other];
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}
